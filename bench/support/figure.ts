// What a row of the benchmark gives: figures, and whether each is what was aimed at.
import type { Sample } from "./stage.ts";

/** One line of the table. */
export interface Figure {
  readonly row: string;
  readonly what: string;
  readonly unit: string;
  readonly server: number;
  /** The echo, or the same server in better circumstances. */
  readonly reference: number | null;
  /** `server / reference`. */
  readonly ratio: number | null;
  /** What is aimed at, in words. */
  readonly reach: string;
  readonly ok: boolean;
  /** The values the medians were taken of. */
  readonly samples?: { readonly server: readonly number[]; readonly reference: readonly number[] };
  /** The share of all cores that other processes used meanwhile. */
  readonly foreignShare?: number;
}

/** What a figure is made from. */
export interface FigureOptions {
  readonly row: string;
  readonly what: string;
  readonly unit: string;
  readonly server: readonly number[];
  readonly reference?: readonly number[];
  readonly reach: string;
  readonly reached: (server: number, ratio: number) => boolean;
  readonly samples?: readonly Pick<Sample, "foreignShare">[];
}

/** Takes medians. */
export function figure(options: FigureOptions): Figure {
  const { row, what, unit, reach, reached, samples = [] } = options;
  const server = median(options.server);
  const reference = options.reference === undefined ? null : median(options.reference);
  const ratio = reference === null || reference === 0 ? null : server / reference;
  return {
    row,
    what,
    unit,
    server,
    reference,
    ratio,
    reach,
    ok: reached(server, ratio ?? NaN),
    samples: { server: options.server, reference: options.reference ?? [] },
    ...(samples.length === 0
      ? {}
      : { foreignShare: median(samples.map(({ foreignShare }) => foreignShare)) }),
  };
}

/** The one in the middle; of an even number, the mean of both. NaN when there is none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}
