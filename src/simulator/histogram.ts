// A small log-linear histogram of durations: recording takes a few operations and no memory.

/** Buckets double their width every 32 buckets, so values have a precision of 1/32. */
const SUB_BITS = 5;
const SUB_COUNT = 1 << SUB_BITS;
/** The longest duration, in microseconds (35 minutes). */
const MAX_MICROS = 2 ** 31 - 1;
const BUCKETS = bucketOf(MAX_MICROS) + 1;

/** What {@linkcode Histogram.toJSON} writes: the figures people want, and all that a merge needs. */
export interface HistogramJson {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly minMs: number;
  readonly sumMs: number;
  /** The buckets that are not empty: number of the bucket, count. */
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
}

function bucketOf(micros: number): number {
  if (micros < 2 * SUB_COUNT) return micros;
  const shift = 31 - Math.clz32(micros) - SUB_BITS;
  return shift * SUB_COUNT + (micros >>> shift);
}

/** The largest value of a bucket, in microseconds. */
function upperEdge(bucket: number): number {
  if (bucket < 2 * SUB_COUNT) return bucket;
  const shift = Math.floor(bucket / SUB_COUNT) - 1;
  return (bucket - shift * SUB_COUNT + 1) * 2 ** shift - 1;
}

/** Durations in milliseconds, counted to the microsecond below 64 us and to 3.2 % above. */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #sumMs = 0;
  #minMs = Infinity;
  #maxMs = 0;

  /** How many durations were recorded. */
  get count(): number {
    return this.#count;
  }

  /** The longest one, exactly, in milliseconds; 0 when there is none. */
  get maxMs(): number {
    return this.#maxMs;
  }

  /** The shortest one, exactly, in milliseconds; 0 when there is none. */
  get minMs(): number {
    return this.#count === 0 ? 0 : this.#minMs;
  }

  /** The mean, exactly, in milliseconds; 0 when there is none. */
  get meanMs(): number {
    return this.#count === 0 ? 0 : this.#sumMs / this.#count;
  }

  /** Counts one duration in milliseconds; a negative one counts as 0. */
  record(durationMs: number): void {
    const ms = durationMs > 0 ? durationMs : 0;
    const bucket = bucketOf(Math.min(Math.floor(ms * 1000), MAX_MICROS));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#sumMs += ms;
    if (ms > this.#maxMs) this.#maxMs = ms;
    if (ms < this.#minMs) this.#minMs = ms;
  }

  /**
   * The duration in milliseconds that a share of all do not exceed: never below the true one, and
   * at most 1/32 (or one microsecond) above it; 0 when there is none.
   *
   * @param share From 0 to 1, e.g. 0.99.
   */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      // The next bucket starts one microsecond after the edge: what was cut off lies before it.
      if (seen >= rank) return Math.min((upperEdge(bucket) + 1) / 1000, this.#maxMs);
    }
    return this.#maxMs;
  }

  /** Adds everything the other one has recorded. */
  merge(other: Histogram): void {
    this.#add(other.#counts.entries(), other.#count, other.#sumMs, other.#minMs, other.#maxMs);
  }

  /** Forgets everything. */
  reset(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#sumMs = 0;
    this.#minMs = Infinity;
    this.#maxMs = 0;
  }

  /** The figures and the buckets; {@linkcode Histogram.fromJSON} reads them again. */
  toJSON(): HistogramJson {
    const buckets: [number, number][] = [];
    for (const [bucket, count] of this.#counts.entries()) {
      if (count > 0) buckets.push([bucket, count]);
    }
    return {
      count: this.#count,
      meanMs: this.meanMs,
      p50Ms: this.percentile(0.5),
      p99Ms: this.percentile(0.99),
      maxMs: this.#maxMs,
      minMs: this.minMs,
      sumMs: this.#sumMs,
      buckets,
    };
  }

  /** The histogram another process has written with {@linkcode Histogram.toJSON}. */
  static fromJSON(json: HistogramJson): Histogram {
    const histogram = new Histogram();
    const minMs = json.count === 0 ? Infinity : json.minMs;
    histogram.#add(json.buckets, json.count, json.sumMs, minMs, json.maxMs);
    return histogram;
  }

  #add(
    buckets: Iterable<readonly [number, number]>,
    count: number,
    sumMs: number,
    minMs: number,
    maxMs: number,
  ): void {
    for (const [bucket, n] of buckets) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + n;
    this.#count += count;
    this.#sumMs += sumMs;
    this.#minMs = Math.min(this.#minMs, minMs);
    this.#maxMs = Math.max(this.#maxMs, maxMs);
  }
}
