// The processes of module hosts.
import { maskSecrets, secretValues } from "../text/mod.ts";
import type {
  ContextHostKind,
  ContextListener,
  ContextSpec,
  ModuleContext,
  ModuleHostSnapshot,
} from "../module/mod.ts";

/** The interface of a module host; `ModuleHost` implements it. */
export interface Host {
  /** Makes a context; its commands wait until they are released. Rejects with the reason. */
  createContext(spec: ContextSpec, listener: ContextListener): Promise<ModuleContext>;
  /** Ends the process gracefully, with a deadline. Idempotent, never rejects. */
  stop(): Promise<void>;
  snapshot(): HostFacts;
}

/** The state of a host, for operators. */
export type HostFacts = Pick<ModuleHostSnapshot, "pid" | "residentBytes" | "contexts">;

export interface HostEvents {
  /** A library printed a line. */
  onOutput(line: string, stream: "stdout" | "stderr"): void;
  /** The number of unusable free places has changed. */
  onBlocked(count: number): void;
  /** The process has ended: stopped, killed or crashed; by itself with a signal, if there is one. */
  onExit(reason: string, signal?: string | null): void;
}

/** Starts a host process. */
export type StartHost = (events: HostEvents, kind: ContextHostKind) => Promise<Host>;

/** One host process. */
interface Started {
  readonly starting: Promise<Host>;
  host: Host | null;
  /** Secrets that its libraries were given, masked in what they print. */
  secrets: readonly string[];
}

/** Host processes by number. */
export class Hosts {
  readonly #startHost: StartHost;
  readonly #started = new Map<number, Started>();
  readonly #stopping = new Set<Promise<void>>();

  constructor(startHost: StartHost) {
    this.#startHost = startHost;
  }

  /** Starts a host; one that cannot be started counts as gone. Secrets in its output are masked. */
  start(id: number, kind: ContextHostKind, { onOutput, onBlocked, onExit }: HostEvents): void {
    const onGone = (reason: string, signal: string | null = null) => {
      this.#started.delete(id);
      onExit(reason, signal);
    };
    const starting = this.#start({
      onOutput: (line, stream) => onOutput(maskSecrets(line, started.secrets), stream),
      onBlocked,
      onExit: onGone,
    }, kind);
    const started: Started = { starting, host: null, secrets: [] };
    this.#started.set(id, started);
    starting.then(
      (host) => started.host = host,
      // Opening a context there reports the reason; here it is enough not to use the host again.
      () => onGone("it could not be started"),
    );
  }

  /** Makes a context once its host has started. Rejects with the reason. */
  async createContext(
    id: number,
    spec: ContextSpec,
    listener: ContextListener,
  ): Promise<ModuleContext> {
    const started = this.#started.get(id);
    if (started === undefined) throw new Error(`Cannot make a context: host ${id} is gone`);
    const host = await started.starting;
    started.secrets = [...new Set([...started.secrets, ...secretValues(spec.parameters)])];
    return await host.createContext(spec, listener);
  }

  /** Stops a host when it has started; does nothing when it is gone. */
  stop(id: number): void {
    const stopping = this.#started.get(id)?.starting.then((host) => host.stop());
    if (stopping === undefined) return;
    const tracked = stopping.catch(() => {}).then(() => void this.#stopping.delete(tracked));
    this.#stopping.add(tracked);
  }

  /** Resolves when all stopping hosts have stopped. Never rejects. */
  async stopped(): Promise<void> {
    await Promise.all(this.#stopping);
  }

  /** The state of a host; `null` while it starts. */
  snapshot(id: number): HostFacts | null {
    return this.#started.get(id)?.host?.snapshot() ?? null;
  }

  /** A synchronous error also only means that the host could not be started. */
  async #start(events: HostEvents, kind: ContextHostKind): Promise<Host> {
    return await this.#startHost(events, kind);
  }
}
