// The commands of one segment of the event log, in slices, so that nothing else waits for it.
import { LogReader } from "../record/mod.ts";
import { ReadShare } from "../time/mod.ts";
import { bare, changeOf, type CommandChange, type LedgerCommand } from "./ledger_command.ts";

/** A change, and the start of the server that told it. */
export interface ToldChange extends CommandChange {
  readonly epoch: number;
}

/** A command of a segment, and what the segment tells of it. */
export interface FoundCommand extends Omit<LedgerCommand, "changes"> {
  /** How many commands the segment has before it. */
  readonly index: number;
  readonly changes: ToldChange[];
}

export interface SegmentQuery {
  readonly directory: string;
  readonly segment: number;
  /** Only commands with a smaller index. */
  readonly before: number;
  /** Only the last ones of these. */
  readonly keep: number;
  /** Only commands of this car. */
  readonly car: string | undefined;
}

/** What was found in a segment. */
export interface SegmentCommands {
  /** In order. */
  readonly found: readonly FoundCommand[];
  /** Whether there are others with a smaller index. */
  readonly hasMore: boolean;
  /** The ids of all commands that begin in the segment. */
  readonly begun: ReadonlySet<string>;
  /** What it tells of commands that began in earlier ones. */
  readonly earlier: ReadonlyMap<string, readonly ToldChange[]>;
  /** Of its records. */
  readonly bytes: number;
  /** The starts of servers in it. */
  readonly epochs: readonly number[];
}

/** Records that are read before everything else gets a turn, in bytes. */
export const SLICE_BYTES = 32 * 1024;

/** Reads a segment; one that was deleted meanwhile is empty. @throws what reading a file throws */
export async function readSegmentCommands(query: SegmentQuery): Promise<SegmentCommands> {
  const { directory, segment, before, keep, car: wanted } = query;
  const begun = new Set<string>();
  const earlier = new Map<string, ToldChange[]>();
  const kept = new Map<string, FoundCommand>();
  const epochs = new Set<number>();
  const share = new ReadShare();
  let bytes = 0;
  let index = 0;
  let hasMore = false;
  const from = { segment, offset: 0, records: 0, bytes: 0 };
  using reader = new LogReader({ directory, from, until: segment });
  for (let isEnd = false; !isEnd;) {
    const start = reader.position;
    const batch = await reader.read(SLICE_BYTES).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    });
    if (batch === null) break;
    ({ isEnd } = batch);
    // The first record tells how many there were before the segment.
    const read = batch.position.offset - start.offset;
    bytes += read;
    await share.spend(read);
    for (const event of batch.events) {
      const epoch = Number(event.id.split("/")[2]);
      epochs.add(epoch);
      const change = changeOf(event);
      if (change === undefined) continue;
      const { id, car, device, state, payload } = change;
      const told = { ...bare(change), epoch };
      if (state === "popped") {
        const own = index++;
        if (wanted !== undefined && car !== wanted) continue;
        begun.add(id);
        if (own >= before) continue;
        const { data, bytes } = payload ?? { data: new Uint8Array(0), bytes: 0 };
        kept.set(id, { index: own, id, car, device, data, bytes, changes: [told] });
        if (kept.size <= keep) continue;
        hasMore = true;
        for (const oldest of kept.keys()) {
          kept.delete(oldest);
          break;
        }
      } else if (wanted === undefined || car === wanted) {
        const command = kept.get(id);
        if (command !== undefined) command.changes.push(told);
        else if (!begun.has(id)) {
          const changes = earlier.get(id);
          if (changes === undefined) earlier.set(id, [told]);
          else changes.push(told);
        }
      }
    }
  }
  return { found: [...kept.values()], hasMore, begun, earlier, bytes, epochs: [...epochs] };
}
