// The life of a host's process, from its connection to its end: whether it answers, how much memory
// it has, and why it ended.
import type { Log } from "../../log/mod.ts";
import type { Clock, TimerHandle } from "../../time/mod.ts";
import type { FrameChannel } from "../wire/frame_channel.ts";
import { FrameKind } from "../wire/frames.ts";
import { describeExit, type HostExit, type HostProcess } from "./host_process.ts";
import { halfOfMachineMemory, MemoryWatch, Watchdog } from "./watchdog.ts";

/** After the connection has ended, the process has this long to report why; in milliseconds. */
const EXIT_GRACE_MS = 1000;

/** What is watched, and who is told. */
export interface HostLifeOptions {
  readonly process: Pick<HostProcess, "pid" | "exited" | "kill">;
  readonly channel: FrameChannel;
  /** Silence after which the host is killed, in milliseconds. */
  readonly timeoutMs: number;
  /** Limit of resident memory, in bytes; 0: none. */
  readonly maxMemoryBytes: number;
  /** Without a limit: resident memory above which there is a warning, once; in bytes. */
  readonly warnMemoryBytes?: number | undefined;
  /** What the configuration calls the limit. */
  readonly memoryKey: string;
  /** The warning, which says whose memory that is. */
  readonly describeLarge: (memory: string) => string;
  readonly log: Log;
  readonly clock: Clock;
  /** Called once; the channel is closed. */
  readonly onExited: (reason: string, exit: HostExit) => void;
}

/** Watches over one host's process. */
export class HostLife {
  /** Resolves with the reason when the process has ended and `onExited` was called. */
  readonly exited: Promise<string>;
  readonly #options: HostLifeOptions;
  readonly #watchdog: Watchdog;
  readonly #memory: MemoryWatch;
  #residentBytes = 0;
  #isOver = false;
  #killReason: string | null = null;
  #killed = false;
  #outgrown = false;
  /** The error of the connection. */
  #broken: string | null = null;
  #exitTimer: TimerHandle | null = null;

  constructor(options: HostLifeOptions) {
    const { process, channel, timeoutMs, maxMemoryBytes, log, clock } = options;
    this.#options = options;
    this.#watchdog = new Watchdog({
      timeoutMs,
      clock,
      ask: () => {
        channel.out.frame(FrameKind.PING, 0);
        channel.flush();
      },
      onSilent: (silentMs) => {
        log.error(`Killing module host ${this.pid}: no answer for ${silentMs} ms`);
        this.kill(`it did not answer for ${silentMs} ms`);
      },
    });
    this.#memory = new MemoryWatch({
      maxBytes: maxMemoryBytes,
      warnBytes: options.warnMemoryBytes ?? halfOfMachineMemory(),
      onExceeded: (bytes) => {
        this.#outgrown = true;
        const text = `it has ${inMib(bytes)} of memory: ${options.memoryKey} is ${maxMemoryBytes}`;
        log.error(`Killing module host ${this.pid}: ${text}`);
        this.kill(text);
      },
      onLarge: (bytes) => log.warning(options.describeLarge(inMib(bytes))),
    });
    this.exited = process.exited.then((exit) => this.#onExited(exit));
  }

  /** Starts to read from the host, and to watch it. */
  start(): void {
    this.#options.channel.start();
    this.#watchdog.start();
  }

  /** The process id. */
  get pid(): number {
    return this.#options.process.pid;
  }

  /** Resident memory a few seconds ago, in bytes; 0: not known yet. */
  get residentBytes(): number {
    return this.#residentBytes;
  }

  /** Whether this side has killed it. */
  get killed(): boolean {
    return this.#killed;
  }

  /** Whether it was killed for its memory. */
  get outgrown(): boolean {
    return this.#outgrown;
  }

  /** The host has answered a PING. */
  answered(residentBytes: number): void {
    this.#residentBytes = residentBytes;
    this.#watchdog.answered();
    this.#memory.seen(residentBytes);
  }

  /** The channel is closed: the process has to end. */
  disconnected(error: Error | null): void {
    if (this.#isOver) return;
    const broken = error === null ? null : `its connection failed: ${error.message}`;
    this.#broken = broken;
    this.#watchdog.stop();
    this.#exitTimer = this.#options.clock.set(() => {
      this.kill(broken ?? "it closed its connection and did not exit");
    }, EXIT_GRACE_MS);
  }

  /** Kills the process (SIGKILL). */
  kill(reason: string): void {
    if (this.#isOver) return;
    this.#killReason ??= reason;
    this.#killed = true;
    this.#options.process.kill();
  }

  /** The host is about to end itself, for that reason. */
  willEnd(reason: string): void {
    this.#killReason ??= reason;
  }

  /** Ends the connection, upon which the process exits, and waits for that. */
  async end(reason: string): Promise<void> {
    this.#killReason ??= reason;
    this.#options.channel.close();
    await this.exited;
  }

  /** The signal that ended it, unless this side had a reason to end it. */
  signalOf(exit: HostExit): string | null {
    return this.#killReason === null ? exit.signal : null;
  }

  #onExited(exit: HostExit): string {
    this.#watchdog.stop();
    if (this.#exitTimer !== null) this.#options.clock.clear(this.#exitTimer);
    this.#isOver = true;
    this.#options.channel.close();
    const reason = this.#killReason ?? this.#ownReason(exit);
    this.#options.onExited(reason, exit);
    return reason;
  }

  /** A host that has lost its server exits gracefully; a crash breaks the connection as well. */
  #ownReason(exit: HostExit): string {
    return exit.code === 0 && this.#broken !== null ? this.#broken : `it ${describeExit(exit)}`;
  }
}

function inMib(bytes: number): string {
  return `${Math.round(bytes / (1024 * 1024))} MiB`;
}
