// What the server and its module hosts hold at one moment, and whether it stayed the same.
import {
  fileCount,
  privateBytes,
  residentBytes,
  threadCount,
  treeOf,
} from "../support/process_tree.ts";
import { median } from "../support/figure.ts";

/** One look; memory in MiB. */
export interface SoakSample {
  readonly atSeconds: number;
  /** After the last full collection; 0 before the first one. */
  readonly heap: number;
  readonly rss: number;
  readonly files: number;
  readonly threads: number;
  readonly hosts: number;
  readonly hostsPrivate: number;
  readonly hostsFiles: number;
  readonly hostsThreads: number;
}

/** What the server holds for each host: a connection, three pipes. */
const FILES_PER_HOST = 4;

/**
 * What is compared, and how much more it may be at the end: a share, and a number beside it.
 *
 * A car whose module was being called when its host was killed gets a host of its own, 32 of them at
 * most, until it has been well for a minute and others move in. A connection that leaves a file or a kilobyte behind would
 * show all the same: there are a thousand of them in ten minutes.
 */
const LIMITS: readonly (readonly [string, (sample: SoakSample) => number, number, number])[] = [
  ["heap", ({ heap }) => heap, 0.2, 8],
  ["rss", ({ rss }) => rss, 0.2, 24],
  ["files", ({ files, hosts }) => files - FILES_PER_HOST * hosts, 0.05, 8],
  ["threads", ({ threads }) => threads, 0.1, 8],
  ["hosts", ({ hosts }) => hosts, 0, 32],
  ["per host: private", ({ hosts, hostsPrivate }) => hostsPrivate / hosts, 0.2, 2],
  ["per host: files", ({ hosts, hostsFiles }) => hostsFiles / hosts, 0.1, 1],
  ["per host: threads", ({ hosts, hostsThreads }) => hostsThreads / hosts, 0.2, 2],
];
const MIB = 1024 * 1024;

/** Looks at the server and its hosts. */
export function takeSample(pid: number, atSeconds: number, heap: number): SoakSample {
  const hosts = treeOf(pid).slice(1);
  return {
    atSeconds,
    heap,
    rss: residentBytes([pid]) / MIB,
    files: fileCount([pid]),
    threads: threadCount([pid]),
    hosts: hosts.length,
    hostsPrivate: privateBytes(hosts) / MIB,
    hostsFiles: fileCount(hosts),
    hostsThreads: threadCount(hosts),
  };
}

/** The live heap in MiB, when the line is V8's about a full collection. */
export function heapOf(line: string): number | undefined {
  // Lines of hosts come through the log and begin with its time instead.
  const match = /^\[\d+:0x.*Mark-Compact.* \d[\d.]* \(\d[\d.]*\) -> (\d[\d.]*) \(/.exec(line);
  return match === null ? undefined : Number(match[1]);
}

/** Compares the end of the run with that of its first minute; one line for each figure. */
export function compareSamples(
  samples: readonly SoakSample[],
): { readonly flat: boolean; readonly lines: readonly string[] } {
  // The first seconds are for the compiler and the connects; the first full collection comes late.
  const firstHeap = samples.find(({ heap }) => heap > 0)?.heap ?? 0;
  const before = samples.filter(({ atSeconds }) => atSeconds > 30 && atSeconds <= 60)
    .map((sample) => ({ ...sample, heap: sample.heap || firstHeap }));
  const after = samples.slice(-3);
  let flat = true;
  const lines = LIMITS.map(([name, of, share, more]) => {
    const first = median(before.map(of));
    const last = median(after.map(of));
    const ok = last <= first * (1 + share) + more;
    flat &&= ok;
    const values = `${first.toFixed(1).padStart(8)} -> ${last.toFixed(1).padStart(8)}`;
    return `${name.padEnd(18)} ${values}  ${ok ? "flat" : "GREW"}`;
  });
  return { flat, lines };
}
