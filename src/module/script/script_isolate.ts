// A script in a worker of its module host, with the permissions that it was granted and no others.
import type { Script, ScriptPermissions } from "../../script/mod.ts";
import { type Clock, deadline, firstOf } from "../../time/mod.ts";
import { LibraryError } from "../errors.ts";
import type { FromWorker, Job, ToWorker } from "./messages.ts";
import { workerMain } from "./worker_main.ts";

/** A script, and what it may do. */
export interface ScriptOrder {
  /** Of the module's file. */
  readonly path: string;
  readonly script: Script;
  readonly permissions: ScriptPermissions;
  /** Methods that its class must have; `static` ones have that in front. */
  readonly methods: readonly string[];
  /** How long it may take to load, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** What the worker has found. */
interface Loaded {
  readonly kind: string;
  readonly number?: unknown;
  readonly missing?: readonly string[];
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The worker of one script: makes objects of its class, and calls them. */
export class ScriptIsolate {
  /** What the module's class says of itself. */
  readonly number: number;
  /** Resolves when the module cannot go on, with what happened. */
  readonly failed: Promise<string>;
  readonly #link: Link;
  #nextObject = 0;

  private constructor(link: Link, number: number, path: string) {
    this.#link = link;
    this.number = number;
    this.failed = link.failed.then((what) => `Module "${path}" ${what}`);
  }

  /**
   * Loads a script.
   *
   * @throws {LibraryError} when it cannot be used, naming file and place.
   */
  static async load(order: ScriptOrder): Promise<ScriptIsolate> {
    const { path, script, methods, timeoutMs, clock } = order;
    const link = new Link(startWorker(order));
    try {
      const loading = firstOf(
        link.ask({ script, methods }),
        link.failed.then((what) => {
          throw new LibraryError("library", `it ${what}`);
        }),
      );
      const late = () =>
        new LibraryError(
          "library",
          `it is not loaded after ${timeoutMs} ms: its imports never end`,
        );
      const loaded = await deadline(loading, timeoutMs, clock, late) as Loaded;
      return new ScriptIsolate(link, numberOf(loaded), path);
    } catch (error) {
      link.close();
      if (error instanceof LibraryError) throw error;
      throw new LibraryError("library", (error as Error).message, { cause: error });
    }
  }

  /** Makes an object of the module's class; resolves with its number. */
  async make(argument?: unknown): Promise<number> {
    const make = this.#nextObject++;
    await this.#link.ask({ make, argument });
    return make;
  }

  /**
   * Has the worker do something. Rejects with what the module has thrown, with the place.
   */
  ask(job: Job): Promise<unknown> {
    return this.#link.ask(job);
  }

  /** Ends the worker, whatever it does. */
  close(): void {
    this.#link.close();
  }
}

/** Requests to a worker by number, and its answers. */
class Link {
  readonly failed: Promise<string>;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;

  constructor(worker: Worker) {
    this.#worker = worker;
    const failed = Promise.withResolvers<string>();
    this.failed = failed.promise;
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      if ("failed" in data) return failed.resolve(String(data.failed));
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("error" in data) waiting?.reject(new Error(String(data.error)));
      else waiting?.resolve(data.value);
    });
    // Nothing of the module's comes here: the worker reports that itself.
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      failed.resolve(`has ended its worker: ${event.message}`);
    });
  }

  ask(job: Job): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, job } satisfies ToWorker);
    });
  }

  close(): void {
    this.#worker.terminate();
  }
}

/** @throws {LibraryError} when the runtime refuses the permissions. */
function startWorker({ permissions: { net, read, write, env } }: ScriptOrder): Worker {
  const code = `(${workerMain})();`;
  const permissions = {
    net: listOf(net),
    read: listOf(read),
    write: listOf(write),
    env: listOf(env),
    run: false,
    ffi: false,
    sys: false,
    import: false,
  };
  try {
    const url = `data:application/javascript,${encodeURIComponent(code)}`;
    return new Worker(url, { type: "module", deno: { permissions } } as WorkerOptions);
  } catch (cause) {
    const detail = `its permissions cannot be granted: ${(cause as Error).message}`;
    throw new LibraryError("library", detail, { cause });
  }
}

function listOf(granted: readonly string[] = []): string[] | false {
  return granted.length > 0 ? [...granted] : false;
}

/** @throws {LibraryError} when what was loaded is no module. */
function numberOf({ kind, number, missing = [] }: Loaded): number {
  if (kind !== "class") {
    const found = kind === "undefined" ? "none" : `one of type ${kind}`;
    throw new LibraryError("symbol", `it must have a class as its default export: it has ${found}`);
  }
  if (missing.length > 0) {
    throw new LibraryError(
      "symbol",
      `its class lacks the method${missing.length === 1 ? "" : "s"} ${missing.join(", ")}`,
    );
  }
  if (typeof number === "number" && Number.isInteger(number)) return number;
  const detail = `its class must have "static readonly moduleNumber", a whole number: ${number}`;
  throw new LibraryError("symbol", detail);
}
