// The module hosts of the server as processes: started, listened to, stopped.
import { maskSecrets, secretValues } from "../text/mod.ts";
import type {
  ContextListener,
  ContextSpec,
  ModuleContext,
  ModuleHostSnapshot,
} from "../module/mod.ts";

/** A module host as the server needs it; `ModuleHost` is one. */
export interface Host {
  /** Makes a context; its commands wait until they are released. Rejects with what is wrong. */
  createContext(spec: ContextSpec, listener: ContextListener): Promise<ModuleContext>;
  /** Ends the process in order, within a bound. Idempotent, never rejects. */
  stop(): Promise<void>;
  snapshot(): HostFacts;
}

/** What operators want to know of a host. */
export type HostFacts = Pick<ModuleHostSnapshot, "pid" | "residentBytes" | "contexts">;

/** What a host tells the server. */
export interface HostEvents {
  /** A line a library printed. */
  onOutput(line: string, stream: "stdout" | "stderr"): void;
  /** How many of its places cannot be used, though nobody is there; called when that changes. */
  onBlocked(count: number): void;
  /** The process is gone, whether it was stopped, killed or crashed. */
  onExit(reason: string): void;
}

/** Starts a host process. */
export type StartHost = (events: HostEvents) => Promise<Host>;

/** One host process. */
interface Started {
  readonly starting: Promise<Host>;
  host: Host | null;
  /** What libraries there were given and must not be shown, whatever they print. */
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

  /** Starts a host; one that cannot be started is gone. Lines it prints come without secrets. */
  start(id: number, { onOutput, onBlocked, onExit }: HostEvents): void {
    const onGone = (reason: string) => {
      this.#started.delete(id);
      onExit(reason);
    };
    const starting = this.#start({
      onOutput: (line, stream) => onOutput(maskSecrets(line, started.secrets), stream),
      onBlocked,
      onExit: onGone,
    });
    const started: Started = { starting, host: null, secrets: [] };
    this.#started.set(id, started);
    starting.then(
      (host) => started.host = host,
      // Whoever opens a context there gets the reason; here it only must not be used again.
      () => onGone("it could not be started"),
    );
  }

  /** Makes a context once its host has started. Rejects with what is wrong. */
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

  /** Resolves when every host that was to stop has stopped. Never rejects. */
  async stopped(): Promise<void> {
    await Promise.all(this.#stopping);
  }

  /** What a host says of itself; `null` while it starts. */
  snapshot(id: number): HostFacts | null {
    return this.#started.get(id)?.host?.snapshot() ?? null;
  }

  /** Also what is thrown at once is a host that could not be started, and no more than that. */
  async #start(events: HostEvents): Promise<Host> {
    return await this.#startHost(events);
  }
}
