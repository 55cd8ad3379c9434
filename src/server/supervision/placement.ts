// Which host a car's contexts go to. Each context needs one thread to wait on and one to be called
// on, of the 32 a process has: so the number of contexts a host takes is an invariant.

/** A host that could take contexts. */
export interface HostSpace {
  readonly id: number;
  /** Contexts it could take now. */
  readonly free: number;
}

/** So many contexts for one host; `null`: a host that has to be started. */
export interface Share {
  readonly host: number | null;
  readonly count: number;
}

/**
 * Places `count` contexts of one car: together, in the host with the least room that suffices, so
 * that spare places are used first; in a new host when none has room. A car with more contexts than
 * a host takes fills whole hosts first.
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
