// The channels of a sink: what becomes of each event. In a worker, or where nothing is to be evaluated,
// beside the sink itself.
import { type Decode, makeDecoder } from "./decoder.ts";
import { compileMap, type MapEvent } from "./map.ts";
import { Memory } from "./memory.ts";
import { isPicked, isReported, type Reported, valuesOf } from "./report.ts";
import { isOfKind } from "../text/mod.ts";
import type { ChannelSettings, ChannelsSettings } from "./settings.ts";
import type { EventJson, EventView } from "./view.ts";
import { compileWhere, type Where } from "./where.ts";

/** What has become of an event: the body to send, `true` for its own JSON, or `null` for none. */
export type Body = string | true | null;

/** What has become of a batch. */
export interface Evaluated {
  /** In the order of the events. */
  readonly bodies: readonly Body[];
  readonly counts: ChannelCounts;
  /** One for each key of a channel. */
  readonly failures: readonly ChannelFailure[];
}

/** By channel, in the order of the settings. */
export interface ChannelCounts {
  readonly channels: readonly ChannelCount[];
  /** Payloads that a decoder cannot read; their events are sent without what it would make of them. */
  readonly undecoded: number;
}

/** Events of a channel. */
export interface ChannelCount {
  readonly sent: number;
  /** Not reported, or not picked. */
  readonly dropped: number;
  /** Lost to an expression that has failed. */
  readonly failed: number;
}

/** An expression or a decoder has failed for events. */
export interface ChannelFailure {
  /** `null`: a decoder, before any channel. */
  readonly channel: string | null;
  /** Such as `where`, or of a decoder `decoders.7`. */
  readonly key: string;
  /** The first one. */
  readonly event: string;
  readonly message: string;
  /** How many. */
  readonly count: number;
}

/**
 * What events follow: those before were delivered, were not, so that they come again, or belong to the
 * same batch.
 */
export type Follows = "delivered" | "failed" | "same_batch";

/** Where an evaluation is: for who watches it from outside. */
export type OnProgress = (event: number, channel: number, key: "where" | "map") => void;

interface Channel {
  readonly settings: ChannelSettings;
  readonly where: Where | undefined;
  readonly map: MapEvent | undefined;
  /** By device and kind of event. */
  readonly memory: Memory<Remembered>;
  sent: number;
  dropped: number;
  failed: number;
}

interface Remembered {
  readonly reported: Reported | undefined;
  /** Events that were reported. */
  readonly count: number;
}

export class Channels {
  readonly #channels: readonly Channel[];
  readonly #decoders: ReadonlyMap<string, Decode>;
  readonly #failures = new Map<string, ChannelFailure>();
  #undecoded = 0;

  private constructor(channels: readonly Channel[], decoders: ReadonlyMap<string, Decode>) {
    this.#channels = channels;
    this.#decoders = decoders;
  }

  /** @throws {ExpressionError} or {@linkcode DescriptorError} */
  static async make({ channels, decoders }: ChannelsSettings): Promise<Channels> {
    const made = await Promise.all(channels.map(async (settings): Promise<Channel> => ({
      settings,
      where: settings.where === undefined ? undefined : await compileWhere(settings.where),
      map: settings.map === undefined ? undefined : await compileMap(settings.map),
      memory: new Memory(),
      sent: 0,
      dropped: 0,
      failed: 0,
    })));
    const read = await Promise.all(
      Object.entries(decoders).map(async ([module, one]) =>
        [module, await makeDecoder(one)] as const
      ),
    );
    return new Channels(made, new Map(read));
  }

  /**
   * Evaluates a batch, or a part of one.
   *
   * @param lines the JSON of each event
   */
  async evaluate(
    lines: readonly string[],
    follows: Follows,
    onProgress: OnProgress = () => {},
  ): Promise<Evaluated> {
    for (const channel of this.#channels) {
      if (follows === "failed") channel.memory.rollback();
      if (follows === "delivered") channel.memory.commit();
      channel.sent = channel.dropped = channel.failed = 0;
    }
    this.#undecoded = 0;
    this.#failures.clear();
    const bodies: Body[] = [];
    for (const [index, line] of lines.entries()) {
      bodies.push(await this.#evaluate(JSON.parse(line), index, onProgress));
    }
    const channels = this.#channels.map(({ sent, dropped, failed }) => ({ sent, dropped, failed }));
    const counts = { channels, undecoded: this.#undecoded };
    return { bodies, counts, failures: [...this.#failures.values()] };
  }

  /** The first channel that takes the event has it. */
  async #evaluate(event: EventJson, index: number, onProgress: OnProgress): Promise<Body> {
    let view: EventView | undefined;
    for (const [number, channel] of this.#channels.entries()) {
      const { settings: { events }, where } = channel;
      if (events?.some((one) => isOfKind(event.kind, one)) === false) continue;
      view ??= this.#decode(event);
      if (where !== undefined) {
        onProgress(index, number, "where");
        try {
          if (!where(view)) continue;
        } catch (error) {
          return this.#fail(channel, "where", event, error);
        }
      }
      onProgress(index, number, "map");
      return await this.#send(channel, view, view === event);
    }
    return null;
  }

  async #send(channel: Channel, event: EventView, isPlain: boolean): Promise<Body> {
    const { settings: { report, sample }, map, memory } = channel;
    const key = memoryKey(event);
    const isRemembering = report.when !== "received" || (sample !== undefined && "oneIn" in sample);
    const last = isRemembering ? memory.get(key) : undefined;
    let reported: Reported | undefined;
    if (report.when !== "received") {
      const values = report.when === "period" ? [] : valuesOf(report, event);
      reported = { at: Date.parse(event.at), values };
      if (!isReported(report, reported, last?.reported)) {
        channel.dropped++;
        return null;
      }
    }
    const count = last?.count ?? 0;
    const isSent = isPicked(sample, event, count);
    let body: Body = null;
    try {
      if (isSent) body = await bodyOf(map, event, isPlain);
    } catch (error) {
      // It was not reported, so the next one is.
      if (isRemembering) memory.set(key, { reported: last?.reported, count: count + 1 });
      return this.#fail(channel, "map", event, error);
    }
    if (isRemembering) memory.set(key, { reported, count: count + 1 });
    if (body === null) channel.dropped++;
    else channel.sent++;
    return body;
  }

  #decode(event: EventJson): EventView {
    const { device, payload } = event;
    const decode = device === null ? undefined : this.#decoders.get(String(device.module));
    if (decode === undefined || payload === null) return event;
    try {
      const decoded = decode(event);
      return decoded === undefined ? event : { ...event, decoded };
    } catch (error) {
      this.#undecoded++;
      this.#note(null, `decoders.${device?.module}`, event, error);
      return { ...event, decoded: null };
    }
  }

  #fail(channel: Channel, key: "where" | "map", event: EventJson, error: unknown): null {
    channel.failed++;
    this.#note(channel.settings.name, key, event, error);
    return null;
  }

  #note(channel: string | null, key: string, { id }: EventJson, error: unknown): void {
    const of = `${channel}/${key}`;
    const noted = this.#failures.get(of);
    if (noted !== undefined) {
      this.#failures.set(of, { ...noted, count: noted.count + 1 });
      return;
    }
    const message = error instanceof Error ? error.message : String(error);
    this.#failures.set(of, { channel, key, event: id, message, count: 1 });
  }
}

/** @param isPlain whether the event has nothing that its own JSON lacks */
async function bodyOf(
  map: MapEvent | undefined,
  event: EventView,
  isPlain: boolean,
): Promise<Body> {
  if (map !== undefined) return await map(event) ?? null;
  return isPlain || JSON.stringify(event);
}

function memoryKey({ car, device, kind }: EventView): string {
  const { module, type, role } = device ?? {};
  return `${car}\n${module}\n${type}\n${role}\n${kind}`;
}
