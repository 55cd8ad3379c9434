// The worker in which channels are evaluated: an expression that is stuck in a regular expression can
// only be stopped from outside, and none of them takes time from cars. Only imported when a channel
// needs it, so that a bundle has a file of its own for it.
import { Channels, type Evaluated, type Follows } from "./channels.ts";
import type { ChannelsSettings } from "./settings.ts";

/** Where this file is, also in a compiled program. */
export const workerUrl = import.meta.url;

/** What the worker is asked. */
export type ToChannelWorker =
  /** The first. */
  | { readonly settings: ChannelsSettings; readonly progress: SharedArrayBuffer }
  | { readonly lines: readonly string[]; readonly follows: Follows };

/** Its answer to each batch, or why it has none. */
export type FromChannelWorker = { readonly evaluated: Evaluated } | { readonly error: string };

/** What the numbers of its progress are: batches and events that were begun; channel; 1 for `map`. */
export const PROGRESS = { begun: 0, event: 1, channel: 2, isMap: 3, length: 4 } as const;

interface Scope {
  onmessage: (event: MessageEvent<ToChannelWorker>) => void;
  postMessage(message: FromChannelWorker): void;
}

function serve(scope: Scope): void {
  let channels: Promise<Channels> | undefined;
  let progress: Int32Array = new Int32Array(PROGRESS.length);
  scope.onmessage = async ({ data }) => {
    try {
      if ("settings" in data) {
        progress = new Int32Array(data.progress);
        channels = Channels.make(data.settings);
        // Its failure is the answer to the first batch.
        channels.catch(() => {});
        return;
      }
      const ready = await channels as Channels;
      const evaluated = await ready.evaluate(data.lines, data.follows, (event, channel, key) => {
        Atomics.store(progress, PROGRESS.event, event);
        Atomics.store(progress, PROGRESS.channel, channel);
        Atomics.store(progress, PROGRESS.isMap, key === "map" ? 1 : 0);
        Atomics.add(progress, PROGRESS.begun, 1);
      });
      scope.postMessage({ evaluated });
    } catch (error) {
      scope.postMessage({ error: error instanceof Error ? error.message : String(error) });
    }
  };
}

if ("WorkerGlobalScope" in globalThis) serve(globalThis as unknown as Scope);
