// The child process of a module host.
import { systemClock, within } from "../../time/mod.ts";
import type { Invitation } from "../wire/endpoint.ts";
import { type OutputStream, readLines } from "./output_lines.ts";

/** Whose modules a host runs. */
export type HostKind = "server" | "gateway" | "script" | "gateway_script";

/** How a host's process ended. */
export interface HostExit {
  /** The exit status, or 128 and the signal's number. */
  readonly code: number;
  readonly signal: string | null;
}

/** How long to wait for output of a process that has left a dead host's group, in milliseconds. */
const OUTPUT_GRACE_MS = 200;

/**
 * Added to the environment of hosts to save memory, as fleets have dozens of them. A host makes
 * little garbage, so a small nursery is enough, collected without threads of its own; what starting
 * leaves is collected on demand (`host/memory_trimmer.ts`). All threads share one native heap:
 * a heap for each takes up to 10 MB more.
 */
const HOST_ENVIRONMENT = {
  DENO_V8_FLAGS: "--max-semi-space-size=1,--single-threaded,--expose-gc",
  // Hosts do not check for a newer Deno.
  DENO_NO_UPDATE_CHECK: "1",
  MALLOC_ARENA_MAX: Deno.env.get("MALLOC_ARENA_MAX") ?? "1",
} as const;

/**
 * This program's path at its start: later, when an upgrade has replaced the file, the system
 * reports it as "(deleted)".
 */
const PROGRAM = Deno.execPath();

/**
 * What Deno runs for each kind. Deno loads everything that an entry point could import, so each has
 * its own.
 */
const ENTRIES: Record<HostKind, string> = {
  server: "../host/main.ts",
  gateway: "../host/gateway/main.ts",
  script: "../script/host/main.ts",
  gateway_script: "../script/host/gateway_main.ts",
};

/** A host in a process of its own. */
export class HostProcess {
  /** The process id. */
  readonly pid: number;
  /** Resolves when the process has ended and its last lines were passed on. */
  readonly exited: Promise<HostExit>;
  readonly #child: Deno.ChildProcess;
  /** Stays open as long as the host lives: the kernel kills a host whose server has closed it. */
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;

  /**
   * @throws {Deno.errors.PermissionDenied} without the permission to run this program.
   */
  constructor(
    onOutput: (line: string, stream: OutputStream) => void,
    kind: HostKind = "server",
  ) {
    this.#child = new Deno.Command(PROGRAM, {
      args: hostArguments(kind),
      env: HOST_ENVIRONMENT,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.#stdin = this.#child.stdin.getWriter();
    this.exited = this.#watch(onOutput);
  }

  /** Tells the host the address of its server; the host may have ended already. */
  async invite(invitation: Invitation): Promise<void> {
    try {
      await this.#stdin.write(new TextEncoder().encode(`${JSON.stringify(invitation)}\n`));
    } catch {
      // `exited` reports its end.
    }
  }

  /** Ends the process at once (SIGKILL); does nothing when it is gone. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }

  /**
   * Ends processes that libraries have started in the process group. The kernel does not reuse the
   * group's number while there are any.
   */
  #killGroup(): void {
    try {
      Deno.kill(-this.pid, "SIGKILL");
    } catch {
      // The group is empty.
    }
  }

  async #watch(onOutput: (line: string, stream: OutputStream) => void): Promise<HostExit> {
    const ended = new AbortController();
    const abandoned = new AbortController();
    const options = { ended: ended.signal, abandoned: abandoned.signal, clock: systemClock };
    const output = Promise.all([
      readLines(this.#child.stdout, (line) => onOutput(line, "stdout"), options),
      readLines(this.#child.stderr, (line) => onOutput(line, "stderr"), options),
    ]);
    const { code, signal } = await this.#child.status;
    ended.abort();
    this.#killGroup();
    this.#stdin.close().catch(() => {});
    // A process that has left the group may keep the pipes open forever.
    await within(output, OUTPUT_GRACE_MS, systemClock);
    abandoned.abort();
    await output;
    return { code, signal };
  }
}

/**
 * A compiled program is its own host; otherwise Deno runs the host's entry point, without
 * configuration, lock file, packages and code cache, which a host does not need and which cost
 * time and memory. It gives up the permissions for network and files once it is connected.
 */
function hostArguments(kind: HostKind): string[] {
  if (Deno.build.standalone) return ["module-host", kind];
  return [
    "run",
    "--no-prompt",
    "--no-check",
    "--no-code-cache",
    "--no-config",
    "--no-lock",
    "--no-npm",
    "--no-remote",
    "--cached-only",
    "--allow-ffi",
    "--allow-net",
    "--allow-read",
    "--allow-write",
    ...(/script/.test(kind) ? SCRIPT_FLAGS : []),
    new URL(ENTRIES[kind], import.meta.url).href,
  ];
}

/** What a host can grant to scripts, it has to have. Only a worker can have less than its process. */
const SCRIPT_FLAGS = ["--allow-env", "--unstable-worker-options"];

/** Describes how a process ended, in words that follow "it". */
export function describeExit({ code, signal }: HostExit): string {
  return signal === null ? `ended with exit status ${code}` : `was ended by ${signal}`;
}
