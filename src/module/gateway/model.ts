// Options and state of a Module Gateway's module that runs in host processes.
import type { Log } from "../../log/mod.ts";
import type { Clock } from "../../time/mod.ts";
import type { ScriptRequest } from "../wire/frames.ts";
import type { OutputStream } from "../process/output_lines.ts";
import type { GatewayStatistics } from "../statistics.ts";

/** Which module, and from where. */
export interface GatewayModuleSpec extends ScriptRequest {
  /** The library must report the same. */
  readonly module: number;
  /** Absolute path of the shared library or script. */
  readonly libPath: string;
}

/** Options of a hosted module; all have defaults. */
export interface HostedModuleOptions {
  /**
   * A call that has not returned after this is slow: other calls go on in another host. In
   * milliseconds, well below the deadline for the answer to a status.
   * @default {50}
   */
  readonly slowCallMs?: number;
  /**
   * Deadline for one call, in milliseconds; then its host is killed. A call that waits this long
   * for a host fails as well.
   * @default {5_000}
   */
  readonly callTimeoutMs?: number;
  /** Hosts of this module, the busy, the spare and the starting ones together. @default {4} */
  readonly maxHosts?: number;
  /**
   * Hosts that stand by with the library loaded: starting one takes longer than a device waits for
   * its answer. With 0, the first slow call delays others until a further host has started.
   * @default {1}
   */
  readonly spareHosts?: number;
  /** A host beyond these that has nothing to do for this long is ended; in ms. @default {60_000} */
  readonly idleHostMs?: number;
  /** Deadline for the start of a host and for loading, in milliseconds. @default {10_000} */
  readonly startTimeoutMs?: number;
  /** Limit of resident memory above which a host is killed, in bytes; 0: none. @default {0} */
  readonly maxMemoryBytes?: number;
  /** @default {silentLog} */
  readonly log?: Log;
  /** Where calls are counted. @default {a new one} */
  readonly statistics?: GatewayStatistics;
  /** Gets what the library prints, line by line. */
  readonly onOutput?: (line: string, stream: OutputStream) => void;
  readonly clock?: Clock;
}

/** `slow`: its call has taken longer than `slowCallMs`. */
export type GatewayHostState = "ready" | "slow" | "stopping";

/** A hosted module as plain data. */
export interface HostedModuleSnapshot {
  readonly module: number;
  readonly libPath: string;
  /** Calls that wait for a host. */
  readonly waitingCalls: number;
  /** Whether a call was slow within the last minute. */
  readonly isSlow: boolean;
  /** Hosts that were lost: crashed, killed because of a call, or ended from outside. */
  readonly lostHosts: number;
  /** Why the last one was lost; `null`: none was. */
  readonly lastLoss: string | null;
  readonly hosts: readonly {
    readonly pid: number;
    readonly state: GatewayHostState;
    /** Calls that were sent to it and have not returned. */
    readonly openCalls: number;
    /** Resident memory a few seconds ago, in bytes; 0: not known yet. */
    readonly residentBytes: number;
  }[];
}
