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

/** What is compared, and how much more it may be at the end: a share, and a number beside it. */
const LIMITS: readonly (readonly [name: keyof SoakSample, share: number, more: number])[] = [
  ["heap", 0.2, 8],
  ["rss", 0.2, 24],
  ["files", 0.05, 8],
  ["threads", 0.1, 4],
  ["hosts", 0, 2],
  ["hostsPrivate", 0.2, 32],
  ["hostsFiles", 0.1, 16],
  ["hostsThreads", 0.2, 32],
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
  const match = /Mark-Compact.* \d[\d.]* \(\d[\d.]*\) -> (\d[\d.]*) \(/.exec(line);
  return match === null ? undefined : Number(match[1]);
}

/** Compares the ends of the run; one line for each figure. */
export function compareSamples(
  before: readonly SoakSample[],
  after: readonly SoakSample[],
): { readonly flat: boolean; readonly lines: readonly string[] } {
  let flat = true;
  const lines = LIMITS.map(([name, share, more]) => {
    const first = median(before.map((sample) => sample[name]));
    const last = median(after.map((sample) => sample[name]));
    const ok = last <= first * (1 + share) + more;
    flat &&= ok;
    const values = `${first.toFixed(1).padStart(8)} -> ${last.toFixed(1).padStart(8)}`;
    return `${name.padEnd(13)} ${values}  ${ok ? "flat" : "GREW"}`;
  });
  return { flat, lines };
}
