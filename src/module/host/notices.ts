// Lines of a host for the server's log, about one context.
import type { Clock } from "../../time/mod.ts";
import type { CallOutcome } from "../../protocol/mod.ts";
import { FrameKind } from "../wire/frames.ts";
import type { FrameChannel } from "../wire/frame_channel.ts";
import { type ModuleFunction, nameInC } from "./module.ts";

/** The same problem is reported at most this often, in milliseconds. */
const COMPLAINT_INTERVAL_MS = 60_000;

/** Logs lines about one context, at the server. */
export class Notices {
  readonly #index: number;
  readonly #channel: FrameChannel;
  readonly #clock: Clock;
  readonly #complaints = new Map<string, number>();

  constructor(index: number, channel: FrameChannel, clock: Clock) {
    this.#index = index;
    this.#channel = channel;
    this.#clock = clock;
  }

  /** Says something. */
  say(text: string): void {
    const { out } = this.#channel;
    out.begin(FrameKind.NOTICE, this.#index);
    out.text(text);
    out.end();
    this.#channel.flush();
  }

  /** Logs a problem that may recur: once a minute for each kind. */
  complain(kind: string, text: string): void {
    const now = this.#clock.now();
    const last = this.#complaints.get(kind);
    if (last !== undefined && now - last < COMPLAINT_INTERVAL_MS) return;
    this.#complaints.set(kind, now);
    this.say(text);
  }

  /** A function has thrown or rejected: logs why, and returns the outcome. */
  onThrown(functionName: ModuleFunction, error: unknown): CallOutcome {
    const name = nameInC(functionName);
    const text = error instanceof Error ? error.message : String(error);
    this.complain(name, `${name} failed: ${text}`);
    return "not_ok";
  }
}
