// Options and state of a module host.
import type { Log } from "../log/mod.ts";
import type { Clock } from "../time/mod.ts";
import type { ContextHostKind } from "./context.ts";
import type { EarlyHost } from "./process/connect_host.ts";
import type { OutputStream } from "./process/output_lines.ts";
import type { CallStatistics } from "./statistics.ts";

/** Options of a host; all have defaults. */
export interface ModuleHostOptions {
  /** What its contexts are of. @default {"server"}, shared libraries */
  readonly kind?: ContextHostKind;
  /** A process that was started already; used unless it is taken. @default {a new process} */
  readonly early?: EarlyHost | undefined;
  /** Deadline for one call, in milliseconds; then the host is killed. @default {30_000} */
  readonly moduleCallTimeoutMs?: number;
  /** Deadline for the start of the process, in milliseconds. @default {10_000} */
  readonly startTimeoutMs?: number;
  /** Deadline for destroying a context, in milliseconds. @default {5_000} */
  readonly destroyTimeoutMs?: number;
  /**
   * Limit of resident memory above which the host is killed, in bytes; 0: none. Checked every few
   * seconds.
   * @default {0}
   */
  readonly maxMemoryBytes?: number;
  /**
   * Without a limit: resident memory above which there is a warning, once; in bytes.
   * @default {half of the machine's}
   */
  readonly warnMemoryBytes?: number;
  /** The log of the host. @default {silentLog} */
  readonly log?: Log;
  /** Where calls are counted. @default {a new one} */
  readonly statistics?: CallStatistics;
  /** Gets the output of libraries, line by line. */
  readonly onOutput?: (line: string, stream: OutputStream) => void;
  /**
   * Called when the number of unusable places changes: those of contexts that could not be
   * destroyed, or all when the host can make no more contexts.
   */
  readonly onBlocked?: (count: number) => void;
  /** Called once when the process has ended, after every context's `onLost`. */
  readonly onExit?: (reason: string, signal: string | null) => void;
  readonly clock?: Clock;
}

/** A host as plain data. */
export interface ModuleHostSnapshot {
  readonly pid: number;
  readonly state: HostState;
  /** Places in use, including those of contexts that could not be destroyed. */
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

/** `active` accepts contexts; `stopping` no longer does; `exited` is the end. */
export type HostState = "active" | "stopping" | "exited";
