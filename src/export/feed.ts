// What a sink gets of what is read: the events that it wants, and what its channels make of them.
import type { ChannelCounts, ChannelFailure, Evaluator, Follows } from "../channel/mod.ts";
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

/** Events that are evaluated in one go, so that preparing them takes little time from cars. */
const PART_EVENTS = 500;
const NONE = { sent: 0, dropped: 0, failed: 0 };

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
    if (channels === undefined) return events.map((event) => new PlainMessage(event));
    const evaluator = await this.#open(channels.open);
    const messages: SinkMessage[] = [];
    let follows: Follows = isAgain ? "failed" : "delivered";
    this.#counts = null;
    // Also without an event: the batch before is delivered, or not.
    for (let from = 0; from === 0 || from < events.length; from += PART_EVENTS) {
      const part = events.slice(from, from + PART_EVENTS);
      messages.push(...await this.#evaluate(part, follows, evaluator, feed));
      follows = "same_batch";
    }
    return messages;
  }

  async #evaluate(
    events: readonly LogEvent[],
    follows: Follows,
    evaluator: Evaluator,
    feed: Feed,
  ): Promise<SinkMessage[]> {
    const plain = events.map((event) => new PlainMessage(event));
    const lines = plain.map(({ body }) => body);
    const { bodies, counts, failures } = await evaluator.evaluate(lines, follows);
    // After a reload they are other channels'.
    if (feed === this.#feed) this.#counts = sum(this.#counts, counts);
    for (const failure of failures) this.#logFailure(failure);
    return plain.flatMap((message, index) => {
      const body = bodies[index] ?? null;
      if (body === null) return [];
      return body === true ? message : { event: message.event, body, isMade: true };
    });
  }

  /** The batch is done with. */
  count(): void {
    const counts = this.#counts;
    this.#counts = null;
    if (counts === null) return;
    const { channels, undecoded } = sum(
      { channels: this.#channels, undecoded: this.#undecoded },
      counts,
    );
    this.#undecoded = undecoded;
    this.#channels = this.#channels.map(({ name }, index) => ({
      name,
      ...channels[index] ?? NONE,
    }));
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

/** An event as it is; its JSON is made when a sink asks for it. */
class PlainMessage implements SinkMessage {
  readonly event: LogEvent;
  #body: string | undefined;

  constructor(event: LogEvent) {
    this.event = event;
  }

  get body(): string {
    return this.#body ??= JSON.stringify(eventJson(this.event));
  }
}

function sum(one: ChannelCounts | null, other: ChannelCounts): ChannelCounts {
  if (one === null) return other;
  return {
    channels: other.channels.map(({ sent, dropped, failed }, index) => {
      const before = one.channels[index] ?? NONE;
      return {
        sent: before.sent + sent,
        dropped: before.dropped + dropped,
        failed: before.failed + failed,
      };
    }),
    undecoded: one.undecoded + other.undecoded,
  };
}

function noCounts({ channels }: Feed): ChannelSnapshot[] {
  return (channels?.names ?? []).map((name) => ({ name, ...NONE }));
}

/** Closes what could be opened. */
function close(evaluator: Promise<Evaluator> | null): void {
  void evaluator?.then((one) => one.close(), () => {});
}
