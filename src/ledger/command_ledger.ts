// Lists commands from the event log, the newest first, and finds single ones.
import { LogReader, segmentInfos } from "../record/mod.ts";
import { ReadShare, Semaphore } from "../time/mod.ts";
import {
  bare,
  changeOf,
  type CommandState,
  isGoing,
  type LedgerCommand,
  lostAt,
  stateOf,
} from "./ledger_command.ts";
import {
  readSegmentCommands,
  type SegmentCommands,
  SLICE_BYTES,
  type ToldChange,
} from "./segment_commands.ts";

/** Which commands are wanted. */
export interface CommandQuery {
  readonly limit: number;
  readonly car?: string | undefined;
  readonly states?: readonly CommandState[] | undefined;
  /** {@linkcode CommandPage.next} of the page before. */
  readonly before?: string | undefined;
}

/** Commands, the newest first. */
export interface CommandPage {
  readonly commands: readonly LedgerCommand[];
  /** Where the next page begins; `null`: the log has no earlier ones. */
  readonly next: string | null;
}

/** Where a page begins: what comes before is known. */
interface Place {
  readonly segment: number;
  /** Commands of the segment with a smaller index. */
  readonly before: number;
  readonly known: Known;
}

/** What later segments tell. */
interface Known {
  readonly car: string | undefined;
  /** Of commands that did not begin in them. */
  readonly changes: ReadonlyMap<string, readonly ToldChange[]>;
  /** Starts of servers, in order. */
  readonly epochs: readonly number[];
}

/** Bytes of the log that are read for one page; then it may have fewer commands than wanted. */
const PAGE_BYTES = 64 * 1024 * 1024;
/** Commands of a segment that are held at a time. */
const WINDOW = 500;
/** Places whose knowledge is kept, so that the next page need not read the pages before. */
const MAX_PLACES = 16;
/** How much the clocks of files and of records may differ, in milliseconds. */
const SLACK_MS = 60_000;

/** The commands of an event log. One request reads at a time. */
export class CommandLedger {
  readonly #directory: string;
  readonly #pageBytes: number;
  readonly #turn = new Semaphore(1);
  readonly #places = new Map<number, Place>();
  #lastPlace = 0;

  constructor(directory: string, pageBytes = PAGE_BYTES) {
    this.#directory = directory;
    this.#pageBytes = pageBytes;
  }

  /**
   * Lists commands in slices.
   *
   * @returns undefined when `before` is no place of this log
   * @throws what reading the log throws
   */
  async list(query: CommandQuery): Promise<CommandPage | undefined> {
    const release = await this.#turn.acquire();
    try {
      return await this.#list(query);
    } finally {
      release();
    }
  }

  /** Finds a command by its id. @returns undefined when the log does not have it */
  async get(id: string): Promise<LedgerCommand | undefined> {
    const release = await this.#turn.acquire();
    try {
      return await this.#get(id);
    } finally {
      release();
    }
  }

  async #list({ limit, car, states, before }: CommandQuery): Promise<CommandPage | undefined> {
    const numbers = (await this.#segments()).map(({ number }) => number);
    const first = before === undefined
      ? placeAt(numbers.at(-1) ?? 0, Infinity, knownOf(car))
      : await this.#placeOf(before, car, numbers);
    if (first === undefined) return undefined;
    const commands: LedgerCommand[] = [];
    let place: Place | null = first.segment === 0 ? null : first;
    for (let left = this.#pageBytes; place !== null && left > 0;) {
      const { segment, known } = place;
      const read = await this.#read(place, WINDOW);
      const all = withEpochs(known, read);
      left -= read.bytes;
      for (const { index, changes, ...found } of read.found.toReversed()) {
        const told = [...changes, ...known.changes.get(found.id) ?? []];
        const command = { ...found, changes: completed(told, all.epochs) };
        if (states !== undefined && !states.includes(stateOf(command))) continue;
        commands.push(command);
        if (commands.length < limit) continue;
        return { commands, next: this.#keep(placeAt(segment, index, known)) };
      }
      const [oldest] = read.found;
      if (read.hasMore && oldest !== undefined) place = placeAt(segment, oldest.index, known);
      else place = placeBefore(segment, numbers, withEarlier(all, read));
    }
    return { commands, next: place === null ? null : this.#keep(place) };
  }

  /** The place that a page has named; what is not kept of it is read again. */
  async #placeOf(
    before: string,
    car: string | undefined,
    numbers: readonly number[],
  ): Promise<Place | undefined> {
    const [, segment, index, kept] = /^(\d{1,12})\.(\d{1,12}|end)\.(\d{1,12})$/.exec(before) ?? [];
    if (segment === undefined) return undefined;
    const place = this.#places.get(Number(kept));
    const wanted = placeAt(
      Number(segment),
      index === "end" ? Infinity : Number(index),
      knownOf(car),
    );
    if (
      place?.segment === wanted.segment && place.before === wanted.before &&
      place.known.car === car
    ) return place;
    let { known } = wanted;
    for (const number of numbers.toReversed()) {
      if (number <= wanted.segment) break;
      const read = await this.#read(placeAt(number, 0, known), 0);
      known = withEarlier(withEpochs(known, read), read);
    }
    return { ...wanted, known };
  }

  #read({ segment, before, known: { car } }: Place, keep: number): Promise<SegmentCommands> {
    return readSegmentCommands({ directory: this.#directory, segment, before, keep, car });
  }

  #keep(place: Place): string {
    const number = ++this.#lastPlace;
    this.#places.set(number, place);
    this.#places.delete(number - MAX_PLACES);
    const { segment, before } = place;
    return `${segment}.${before === Infinity ? "end" : before}.${number}`;
  }

  async #get(id: string): Promise<LedgerCommand | undefined> {
    const [, at] = /^[^/]+\/[^/]+\/(\d{1,15})\/\d{1,15}$/.exec(id) ?? [];
    if (at === undefined) return undefined;
    const infos = await this.#segments();
    const start = infos.find(({ writtenAt }) => writtenAt >= Number(at) - SLACK_MS);
    if (start === undefined) return undefined;
    const from = { segment: start.number, offset: 0, records: 0, bytes: 0 };
    using reader = new LogReader({ directory: this.#directory, from });
    const share = new ReadShare();
    const changes: ToldChange[] = [];
    const epochs = new Set<number>();
    let found: Omit<LedgerCommand, "changes"> | undefined;
    for (let isEnd = false; !isEnd;) {
      const batch = await reader.read(SLICE_BYTES);
      ({ isEnd } = batch);
      await share.spend(SLICE_BYTES);
      for (const event of batch.events) {
        const epoch = Number(event.id.split("/")[2]);
        epochs.add(epoch);
        if (found === undefined && event.at > Number(at) + SLACK_MS) return undefined;
        const change = event.data["command"] === id ? changeOf(event) : undefined;
        if (change === undefined) continue;
        const { car, device, payload } = change;
        if (payload !== null) found = { id, car, device, ...payload };
        changes.push({ ...bare(change), epoch });
        if (found !== undefined && !isGoing({ changes })) isEnd = true;
      }
    }
    return found && { ...found, changes: completed(changes, [...epochs]) };
  }

  /** In order; none while there is no log. */
  async #segments(): ReturnType<typeof segmentInfos> {
    try {
      return await segmentInfos(this.#directory);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }
}

function placeAt(segment: number, before: number, known: Known): Place {
  return { segment, before, known };
}

/** The end of the segment before; `null`: there is none. */
function placeBefore(segment: number, numbers: readonly number[], known: Known): Place | null {
  const number = numbers.findLast((one) => one < segment);
  return number === undefined ? null : placeAt(number, Infinity, known);
}

function knownOf(car: string | undefined): Known {
  return { car, changes: new Map(), epochs: [] };
}

/** What is known with the starts of servers that a segment tells. */
function withEpochs(known: Known, { epochs }: SegmentCommands): Known {
  const all = new Set([...epochs, ...known.epochs]);
  return { ...known, epochs: [...all].sort((a, b) => a - b) };
}

/** What is known when a segment was read to its begin. */
function withEarlier(known: Known, { begun, earlier }: SegmentCommands): Known {
  const changes = new Map<string, readonly ToldChange[]>(earlier);
  for (const [id, later] of known.changes) {
    if (!begun.has(id)) changes.set(id, [...earlier.get(id) ?? [], ...later]);
  }
  return { ...known, changes };
}

/** The changes, and that the command was lost with a server that ended before it did. */
function completed(changes: readonly ToldChange[], epochs: readonly number[]) {
  const plain = changes.map(bare);
  if (!isGoing({ changes: plain })) return plain;
  const own = changes.at(-1)?.epoch ?? 0;
  const next = epochs.find((epoch) => epoch > own);
  return next === undefined ? plain : [...plain, lostAt(next)];
}
