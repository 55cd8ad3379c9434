// The machine's monotonic clock, the same in every process and in C.

const TIMESPEC_BYTES = 16;
const CLOCK_MONOTONIC = 1;
const CALIBRATIONS = 5;

/** What CLOCK_MONOTONIC has more than `performance.now()`, in microseconds. */
const OFFSET_US = calibrate();

/** CLOCK_MONOTONIC in microseconds. */
export function monotonicUs(): number {
  return performance.now() * 1000 + OFFSET_US;
}

/** Both clocks run alike, so one look is enough; of several the quickest is the most exact. */
function calibrate(): number {
  const libc = Deno.dlopen("libc.so.6", {
    clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  });
  const timespec = new BigInt64Array(TIMESPEC_BYTES / 8);
  let best = { tookUs: Infinity, offsetUs: 0 };
  for (let i = 0; i < CALIBRATIONS; i++) {
    const before = performance.now() * 1000;
    libc.symbols.clock_gettime(CLOCK_MONOTONIC, new Uint8Array(timespec.buffer));
    const after = performance.now() * 1000;
    const [seconds = 0n, nanoseconds = 0n] = timespec;
    const nowUs = Number(seconds) * 1e6 + Number(nanoseconds) / 1000;
    const tookUs = after - before;
    if (tookUs < best.tookUs) best = { tookUs, offsetUs: nowUs - (before + after) / 2 };
  }
  libc.close();
  return best.offsetUs;
}
