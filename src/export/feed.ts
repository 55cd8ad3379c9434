// What a sink gets of what is read: the events that it wants, and what its channels make of them.
import type { ChannelCounts, ChannelFailure, Evaluator } from "../channel/mod.ts";
import { andSuppressed, type Log, type Once } from "../log/mod.ts";
import { eventJson, type LogEvent } from "../record/mod.ts";
import type { SinkMessage } from "./sink.ts";
import type { ChannelSnapshot, ExporterSnapshot } from "./snapshot.ts";

/** What a sink gets; a reload may change it. */
export interface Feed {
  /** Whether the sink gets an event. @default {every one} */
  readonly isWanted?: (event: LogEvent) => boolean;
  /** What becomes of those that it gets. @default {they are sent as they are} */
  readonly channels?: {
    readonly names: readonly string[];
    /** Each exporter has one of its own. */
    readonly open: () => Promise<Evaluator>;
  };
}

interface FeederOptions {
  /** Of the sink. */
  readonly name: string;
  readonly feed?: Feed;
  readonly log: Log;
  readonly once: Once;
}

/** Makes messages of events, batch after batch. */
export class Feeder {
  readonly #options: FeederOptions;
  #feed: Feed;
  #evaluator: Promise<Evaluator> | null = null;
  /** The one before, until nothing goes through it. */
  #retired: Promise<Evaluator> | null = null;
  #channels: readonly ChannelSnapshot[];
  #undecoded = 0;
  /** Of the batch that is read; they count when it is delivered. */
  #counts: ChannelCounts | null = null;

  constructor(options: FeederOptions) {
    this.#options = options;
    this.#feed = options.feed ?? {};
    this.#channels = noCounts(this.#feed);
  }

  /** @param work what is being read goes through the old channels; never rejects */
  change(feed: Feed, work: Promise<void>): void {
    const retired = this.#evaluator;
    this.#retired = retired;
    this.#evaluator = null;
    this.#feed = feed;
    this.#channels = noCounts(feed);
    this.#undecoded = 0;
    this.#counts = null;
    void work.then(() => {
      close(retired);
      if (this.#retired === retired) this.#retired = null;
    });
  }

  /** Ends what is being evaluated, too. */
  close(): void {
    close(this.#evaluator);
    close(this.#retired);
  }

  snapshot(): Pick<ExporterSnapshot, "channels" | "undecoded"> {
    return { channels: this.#channels, undecoded: this.#undecoded };
  }

  /**
   * What is sent of a batch; rejects when its channels cannot be evaluated for now.
   *
   * @param isAgain whether the last batch was not delivered: its events come again
   */
  async messages(all: readonly LogEvent[], isAgain: boolean): Promise<SinkMessage[]> {
    const feed = this.#feed;
    const { isWanted = () => true, channels } = feed;
    const events = all.filter(isWanted);
    const lines = events.map((event) => JSON.stringify(eventJson(event)));
    const plain = (event: LogEvent, index: number) => ({ event, body: lines[index] as string });
    if (channels === undefined) return events.map(plain);
    const evaluator = await this.#open(channels.open);
    const { bodies, counts, failures } = await evaluator.evaluate(lines, isAgain);
    // After a reload they are another channel's.
    this.#counts = feed === this.#feed ? counts : null;
    for (const failure of failures) this.#logFailure(failure);
    return events.flatMap((event, index) => {
      const body = bodies[index] ?? null;
      if (body === null) return [];
      return body === true ? plain(event, index) : { event, body };
    });
  }

  /** The batch is done with. */
  count(): void {
    const counts = this.#counts;
    this.#counts = null;
    if (counts === null) return;
    this.#undecoded += counts.undecoded;
    this.#channels = this.#channels.map((channel, index) => {
      const { sent = 0, dropped = 0, failed = 0 } = counts.channels[index] ?? {};
      return {
        name: channel.name,
        sent: channel.sent + sent,
        dropped: channel.dropped + dropped,
        failed: channel.failed + failed,
      };
    });
  }

  /** What cannot be opened is opened again for the next batch. */
  #open(open: () => Promise<Evaluator>): Promise<Evaluator> {
    if (this.#evaluator !== null) return this.#evaluator;
    const opening = open();
    this.#evaluator = opening;
    opening.catch(() => {
      if (this.#evaluator === opening) this.#evaluator = null;
    });
    return opening;
  }

  #logFailure({ channel, key, event, message, count }: ChannelFailure): void {
    const { name, log, once } = this.#options;
    const suppressed = once.ask(`${channel}/${key}`, count);
    if (suppressed === undefined) return;
    const lost = channel === null
      ? `Sink "${name}" cannot decode the payload of the event "${event}" with ${key}`
      : `Sink "${name}" loses the event "${event}", as channel "${channel}" fails in "${key}"`;
    log.warning(`${lost}: ${message}${andSuppressed(suppressed)}`);
  }
}

function noCounts({ channels }: Feed): ChannelSnapshot[] {
  return (channels?.names ?? []).map((name) => ({ name, sent: 0, dropped: 0, failed: 0 }));
}

/** Closes what could be opened. */
function close(evaluator: Promise<Evaluator> | null): void {
  void evaluator?.then((one) => one.close(), () => {});
}
