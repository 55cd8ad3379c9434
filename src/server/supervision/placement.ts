// Placement of a car's contexts on hosts. Each context needs one thread to wait on and one to be
// called on, of the 32 that a process has, which limits the contexts per host.

/** A host with room. */
export interface HostSpace {
  readonly id: number;
  /** Number of contexts it has room for. */
  readonly free: number;
}

/** A number of contexts for one host; `null`: a new one. */
export interface Share {
  readonly host: number | null;
  readonly count: number;
}

/**
 * Places `count` contexts of one car together: in the host with the least sufficient room (best
 * fit), or in a new one. A car with more contexts than a host has room for fills whole hosts first.
 */
export function placeContexts(
  count: number,
  hosts: readonly HostSpace[],
  perHost: number,
): Share[] {
  const shares: Share[] = [];
  const used = new Set<number>();
  for (let left = count; left > 0; left -= perHost) {
    const share = Math.min(left, perHost);
    const host = tightest(hosts, share, used);
    if (host !== null) used.add(host);
    shares.push({ host, count: share });
  }
  return shares;
}

function tightest(hosts: readonly HostSpace[], count: number, used: ReadonlySet<number>) {
  let best: HostSpace | null = null;
  for (const host of hosts) {
    if (host.free < count || used.has(host.id)) continue;
    if (best === null || host.free < best.free) best = host;
  }
  return best?.id ?? null;
}
