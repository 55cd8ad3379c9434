// The causes of one car that go on, or are over and were not told yet.
import {
  type CauseCode,
  type Severity,
  severityOf,
  type Trouble,
  type Unserved,
} from "./health.ts";
import type { KeptTrouble } from "./kept_incidents.ts";

/** Troubles by code, and by module where there may be several of a code. */
export class Troubles implements Iterable<Trouble> {
  readonly #troubles = new Map<string, Trouble>();

  [Symbol.iterator](): Iterator<Trouble> {
    return this.#troubles.values();
  }

  /** Whether there is nothing to tell. */
  get isEmpty(): boolean {
    return this.#troubles.size === 0;
  }

  /** How bad the worst of those is that go on. */
  get severity(): Severity | null {
    let worst: Severity | null = null;
    for (const { code, endedAt } of this.#troubles.values()) {
      if (endedAt !== null) continue;
      const severity = severityOf(code);
      if (severity === "down") return severity;
      if (worst !== "degraded") worst = severity;
    }
    return worst;
  }

  isOpen(code: CauseCode, module: number | null = null): boolean {
    return this.#troubles.get(keyOf(code, module))?.endedAt === null;
  }

  /** One that is open goes on, and so does one that was over before anybody was told of it. */
  begin(
    code: CauseCode,
    since: number,
    { planned = false, module = null, detail = "", unserved = null }: Partial<Trouble>,
  ): void {
    const key = keyOf(code, module);
    const known = this.#troubles.get(key);
    // What was intended and is over, such as the start, is nobody's concern.
    if (known !== undefined && !(known.planned && known.endedAt !== null)) {
      known.times++;
      if (detail !== "") known.detail = detail;
      known.unserved = unserved;
      known.planned &&= planned;
      known.endedAt = null;
      known.switchedOff = false;
      return;
    }
    const facts = { planned, module, detail, unserved, switchedOff: false };
    this.#troubles.set(key, { code, since, endedAt: null, times: 1, ...facts });
  }

  end(code: CauseCode, at: number, module: number | null = null): void {
    const trouble = this.#troubles.get(keyOf(code, module));
    if (trouble !== undefined) trouble.endedAt ??= at;
  }

  /** Ends all of a severity. */
  endAll(severity: Severity, at: number): void {
    for (const trouble of this.#troubles.values()) {
      if (severityOf(trouble.code) === severity) trouble.endedAt ??= at;
    }
  }

  /**
   * Ends those that wait for a gateway which has been silent for so long that it counts as switched
   * off.
   *
   * @returns whether there were any
   */
  giveUp(now: number, lastMessageAt: number, switchedOffMs: number): boolean {
    let changed = false;
    for (const trouble of this.#troubles.values()) {
      if (trouble.endedAt !== null || severityOf(trouble.code) !== "waiting") continue;
      if (now - Math.max(trouble.since, lastMessageAt) < switchedOffMs) continue;
      trouble.endedAt = now;
      trouble.switchedOff = true;
      changed = true;
    }
    return changed;
  }

  /** What is over has been told. */
  told(): void {
    for (const [key, trouble] of this.#troubles) {
      if (trouble.endedAt !== null) this.#troubles.delete(key);
    }
  }

  /** What survives a restart; what modules do is judged anew. */
  keep(): KeptTrouble[] {
    return [...this.#troubles.values()]
      .filter(({ code, endedAt, planned }) => endedAt === null && !planned && isOfLink(code))
      .map(({ code, since, times, detail, unserved }) => {
        return { code, since: Math.floor(since), times, detail, unserved: copyOf(unserved) };
      });
  }

  /** Takes back what was kept, before the first turn. */
  restore(kept: readonly KeptTrouble[]): void {
    for (const trouble of kept) {
      const { code } = trouble;
      const facts = { endedAt: null, planned: false, module: null, switchedOff: false };
      if (isOfLink(code)) this.#troubles.set(keyOf(code, null), { ...trouble, ...facts });
    }
  }
}

/** Whether a cause is about the way to the gateway: it lasts while the server restarts. */
function isOfLink(code: CauseCode): boolean {
  return code === "broker_away" || severityOf(code) === "waiting";
}

function copyOf(unserved: Unserved | null) {
  return unserved && { count: unserved.count, reasons: [...unserved.reasons] };
}

function keyOf(code: CauseCode, module: number | null): string {
  return module === null ? code : `${code} ${module}`;
}
