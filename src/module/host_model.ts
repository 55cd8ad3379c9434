// How a module host is run, and how it looks as plain data.
import type { Log } from "../log/mod.ts";
import type { Clock } from "../time/mod.ts";
import type { OutputStream } from "./process/output_lines.ts";
import type { CallStatistics } from "./statistics.ts";

/** How a host is run; every member has a default. */
export interface ModuleHostOptions {
  /** How long one call may execute, in milliseconds; then the host is killed. @default {30_000} */
  readonly moduleCallTimeoutMs?: number;
  /** How long the process may take to start, in milliseconds. @default {10_000} */
  readonly startTimeoutMs?: number;
  /** How long destroying a context may take, in milliseconds. @default {5_000} */
  readonly destroyTimeoutMs?: number;
  /**
   * Resident memory above which the host is killed, in bytes; 0: it may have any. Looked at every
   * few seconds. @default {0}
   */
  readonly maxMemoryBytes?: number;
  /**
   * Where it may have any: memory from which on it is warned of, once, in bytes.
   * @default {half of the machine's}
   */
  readonly warnMemoryBytes?: number;
  /** What the host reports. @default {silentLog} */
  readonly log?: Log;
  /** Where calls are counted. @default {a new one} */
  readonly statistics?: CallStatistics;
  /** Gets what libraries print, line by line. */
  readonly onOutput?: (line: string, stream: OutputStream) => void;
  /**
   * Called with the number of places that cannot be used whenever that changes: of contexts that could
   * not be destroyed, or all when the host can make no more contexts.
   */
  readonly onBlocked?: (count: number) => void;
  /** Called once when the process has ended, after every context's `onLost`. */
  readonly onExit?: (reason: string) => void;
  readonly clock?: Clock;
}

/** A host as plain data. */
export interface ModuleHostSnapshot {
  readonly pid: number;
  readonly state: HostState;
  /** Places taken, contexts that could not be destroyed included. */
  readonly places: number;
  readonly openCalls: number;
  /** Bytes the host has not read yet. */
  readonly pendingBytes: number;
  /** Resident memory a few seconds ago, in bytes; 0: not known yet. */
  readonly residentBytes: number;
  readonly contexts: readonly {
    readonly car: string;
    readonly module: number;
    readonly libPath: string;
    readonly openCalls: number;
    readonly destroying: boolean;
  }[];
}

/** `active` takes contexts; `stopping` does not any more; `exited` is the end. */
export type HostState = "active" | "stopping" | "exited";
