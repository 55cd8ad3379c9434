// Module hosts for testing libraries, one at a time in each, so that a crash has one cause.
import { maskSecrets, secretValues } from "../text/mod.ts";
import {
  type ContextHostKind,
  type ContextSpec,
  hostKindOf,
  ModuleHost,
  ModuleLoadError,
  type ModuleLoadErrorKind,
} from "../module/mod.ts";
import { Semaphore } from "../time/mod.ts";

/** Hosts at the same time. */
const MAX_HOSTS = 4;
/** So many of the last lines that a library printed are reported with its failure. */
const PRINTED_LINES = 3;

/** Why a library cannot be used. */
export interface Trouble {
  readonly kind: ModuleLoadErrorKind;
  readonly detail: string;
}

interface TrialHost {
  readonly kind: ContextHostKind;
  readonly host: ModuleHost;
  /** The last lines that were printed. */
  readonly printed: string[];
}

/** A few hosts, started when needed and reused while they live. */
export class TrialHosts {
  readonly #callMs: number;
  readonly #signal: AbortSignal;
  readonly #semaphore = new Semaphore(MAX_HOSTS);
  readonly #idle: TrialHost[] = [];
  readonly #hosts = new Set<ModuleHost>();

  /** @param callMs how long a call of a module may take, in milliseconds */
  constructor(callMs: number, signal: AbortSignal) {
    this.#callMs = callMs;
    this.#signal = signal;
  }

  /** Tries a library as `ModuleHost.tryLibrary`; resolves with what is wrong. Never rejects. */
  async attempt(spec: ContextSpec, purpose: "load" | "init"): Promise<Trouble | undefined> {
    const leave = await this.#semaphore.acquire();
    let trial: TrialHost | undefined;
    try {
      this.#signal.throwIfAborted();
      const kind = hostKindOf(spec);
      trial = this.#takeIdle(kind) ?? await this.#start(kind);
      trial.printed.length = 0;
      await trial.host.tryLibrary(spec, purpose);
      return undefined;
    } catch (error) {
      return troubleOf(error, trial?.printed ?? [], secretValues(spec.parameters));
    } finally {
      if (trial?.host.state === "active") this.#idle.push(trial);
      leave();
    }
  }

  /** Ends every host. Never rejects. */
  async stop(): Promise<void> {
    for (const host of this.#hosts) host.kill("the doctor is done");
    await Promise.all([...this.#hosts].map((host) => host.exited));
  }

  #takeIdle(kind: ContextHostKind): TrialHost | undefined {
    const index = this.#idle.findLastIndex((host) => host.kind === kind);
    return index < 0 ? undefined : this.#idle.splice(index, 1)[0];
  }

  async #start(kind: ContextHostKind): Promise<TrialHost> {
    const printed: string[] = [];
    const host = await ModuleHost.start({
      kind,
      moduleCallTimeoutMs: this.#callMs,
      onOutput: (line) => {
        printed.push(line);
        if (printed.length > PRINTED_LINES) printed.shift();
      },
    });
    this.#hosts.add(host);
    return { kind, host, printed };
  }
}

function troubleOf(
  error: unknown,
  printed: readonly string[],
  secrets: readonly string[],
): Trouble {
  const { kind, detail } = error instanceof ModuleLoadError
    ? error
    : { kind: "host" as const, detail: error instanceof Error ? error.message : String(error) };
  const said = printed.map((line) => maskSecrets(line, secrets).slice(0, 200)).join(" / ");
  return { kind, detail: said === "" ? detail : `${detail}; it printed: ${said}` };
}
