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
 * Cars whose module was busy when its host was killed get hosts of their own, so there are a few
 * more hosts at the end, each with four files of the server's. A connection that leaves a file or a
 * kilobyte behind would show: there are a thousand of them in ten minutes.
 */
const LIMITS: readonly (readonly [string, (sample: SoakSample) => number, number, number])[] = [
  ["heap", ({ heap }) => heap, 0.2, 8],
  ["rss", ({ rss }) => rss, 0.2, 24],
  ["files", ({ files, hosts }) => files - FILES_PER_HOST * hosts, 0.05, 8],
  ["threads", ({ threads }) => threads, 0.1, 8],
  ["hosts", ({ hosts }) => hosts, 0, 12],
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

/** Compares the ends of the run; one line for each figure. */
export function compareSamples(
  before: readonly SoakSample[],
  after: readonly SoakSample[],
): { readonly flat: boolean; readonly lines: readonly string[] } {
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
