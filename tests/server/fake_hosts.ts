// Module hosts without processes: the test is the process.
import type {
  Blame,
  ContextListener,
  ContextSpec,
  ModuleContext,
} from "../../src/module/context.ts";
import { ModuleHostError, ModuleLoadError } from "../../src/module/errors.ts";
import type { Host, HostEvents, HostFacts, StartHost } from "../../src/server/hosts.ts";
import { FakeContext } from "../support/fake_context.ts";

const PLACES = 15;

interface Creation {
  readonly spec: ContextSpec;
  readonly fail: (error: Error) => void;
}

/** One host; behaves like the real one when it stops or dies. */
export class FakeHost implements Host {
  readonly contexts: FakeContext[] = [];
  readonly #fleet: FakeHosts;
  readonly #events: HostEvents;
  readonly #creations = new Set<Creation>();
  state: "active" | "stopping" | "exited" = "active";

  constructor(fleet: FakeHosts, events: HostEvents) {
    this.#fleet = fleet;
    this.#events = events;
  }

  get freePlaces(): number {
    const living = this.contexts.filter(({ destroyed }) => destroyed === 0);
    return this.state === "active" ? PLACES - living.length - this.#creations.size : 0;
  }

  /** Cars that have a living context here. */
  get cars(): string[] {
    const living = this.contexts.filter(({ destroyed }) => destroyed === 0);
    return living.map(({ spec }) => spec.car).sort();
  }

  async createContext(spec: ContextSpec, listener: ContextListener): Promise<ModuleContext> {
    if (this.state !== "active") throw new ModuleLoadError("host", spec, `host is ${this.state}`);
    if (this.freePlaces <= 0) throw new ModuleLoadError("host", spec, "the host is full");
    const context = new FakeContext(spec, listener);
    const failing = Promise.withResolvers<never>();
    const creation = { spec, fail: failing.reject };
    this.#creations.add(creation);
    try {
      await this.#fleet.load(spec);
      listener.onLoaded?.();
      await Promise.race([failing.promise, this.#fleet.init(spec, this)]);
    } finally {
      this.#creations.delete(creation);
    }
    this.contexts.push(context);
    this.#fleet.created(this);
    return context;
  }

  stop(): Promise<void> {
    if (this.state !== "active") return Promise.resolve();
    this.state = "stopping";
    this.#failCreations("the host is stopping");
    for (const context of this.contexts) context.end();
    this.state = "exited";
    this.#events.onExit("it was stopped");
    return Promise.resolve();
  }

  /** The process crashes: calls, creations, contexts and the pool hear of it, in this order. */
  die(reason = "it was ended by SIGSEGV"): void {
    this.#end(reason, true);
  }

  /** The process is killed from outside. */
  kill(): void {
    this.#end("it was ended by SIGKILL", false);
  }

  #end(reason: string, byItself: boolean): void {
    this.state = "exited";
    this.#failCreations(`the host died: ${reason}`, byItself ? "likely" : "none");
    const living = this.contexts.filter(({ destroyed }) => destroyed === 0);
    const busy = new Set(living.filter(({ openCalls }) => openCalls > 0));
    for (const context of living) context.end();
    for (const context of living) {
      const blame = busy.has(context) ? "likely" : "possible";
      context.listener.onLost(reason, byItself ? blame : "none");
    }
    this.#events.onExit(reason);
  }

  print(line: string, stream: "stdout" | "stderr" = "stdout"): void {
    this.#events.onOutput(line, stream);
  }

  /** This many places cannot be used. */
  block(count: number): void {
    this.#events.onBlocked(count);
  }

  snapshot(): HostFacts {
    return { pid: 4711, residentBytes: 0, contexts: [] };
  }

  #failCreations(detail: string, blame: Blame = "none"): void {
    for (const { spec, fail } of this.#creations) {
      fail(new ModuleLoadError("host", spec, detail, { blame }));
    }
    this.#creations.clear();
  }
}

/** All hosts that have been started. */
export class FakeHosts {
  readonly all: FakeHost[] = [];
  /** How many starts were asked for. */
  starts = 0;
  /** Whether hosts cannot be started. */
  broken = false;
  /** What loading the library of a context does; rejects when it cannot be loaded. */
  load: (spec: ContextSpec) => Promise<void> = () => Promise.resolve();
  /** What `init` of a context does; rejects when it fails, and may let the host die. */
  init: (spec: ContextSpec, host: FakeHost) => Promise<void> = () => Promise.resolve();

  /** Called when a context has been made, before whoever asked for it has it. */
  created: (host: FakeHost) => void = () => {};

  readonly start: StartHost = async (events) => {
    this.starts++;
    await Promise.resolve();
    if (this.broken) throw new ModuleHostError("Cannot start module host: no memory");
    const host = new FakeHost(this, events);
    this.all.push(host);
    return host;
  };

  get living(): FakeHost[] {
    return this.all.filter(({ state }) => state === "active");
  }

  /** The living host that has this context. */
  of(car: string, module = 7): FakeHost {
    const host = this.living.find(({ contexts }) => contexts.some(isOf(car, module)));
    if (host === undefined) throw new Error(`No host has module ${module} of "${car}"`);
    return host;
  }

  context(car: string, module = 7): FakeContext {
    return this.of(car, module).contexts.find(isOf(car, module)) as FakeContext;
  }
}

function isOf(car: string, module: number) {
  return ({ spec, destroyed }: FakeContext) =>
    spec.car === car && spec.module === module && destroyed === 0;
}
