// What runs in a script's worker. The function is sent there as text, since a compiled program has no
// file to start a worker from: it uses nothing from outside itself.
//
// It closes what the permissions leave open. A compiled program lets a worker import any file
// (seen with Deno 2.4), so code can neither import by itself nor compile other code; and the worker
// can neither end silently nor write into the channel to the host.
import type { FromWorker, Job, LoadJob, ToWorker } from "./messages.ts";

/** The class that a module exports. */
interface ScriptClass {
  new (argument: unknown): ScriptObject;
  readonly [method: string]: unknown;
}

interface ScriptObject {
  readonly commands?: AsyncIterable<unknown> | (() => AsyncIterable<unknown>);
  readonly [method: string]: unknown;
}

type AnyFunction = (...args: readonly unknown[]) => unknown;
type Exports = Record<string, unknown>;

/** Serves the host that has started this worker. */
export function workerMain(): void {
  // deno-lint-ignore no-explicit-any -- a worker's global object, most of which is about to go
  const scope = globalThis as any;
  const post: (message: FromWorker) => void = scope.postMessage.bind(scope);
  // Of the module's own code, before that could ask for it.
  const compile = scope.eval as (code: string) => AnyFunction;
  const builtIn = scope.process.getBuiltinModule.bind(scope.process);
  const files = new Set<string>();
  const objects = new Map<number, ScriptObject>();
  const iterators = new Map<number, AsyncIterator<unknown>>();
  /** End waits for the next command of an object. */
  const endWaits = new Map<number, () => void>();
  let Module: ScriptClass;

  function describe(error: unknown): string {
    if (!(error instanceof Error)) return `${String(error)} was thrown, which is no Error`;
    const own = (error.stack ?? "").split("\n").map((line) =>
      /\(?(\/[^()]*:\d+:\d+)\)?$/.exec(line)
    )
      .find((match) => [...files].some((file) => match?.[1]?.startsWith(`${file}:`)));
    return `${error.name}: ${error.message}${own ? ` at ${own[1]}` : ""}`;
  }

  function fail(what: string): void {
    post({ failed: what });
  }

  function refuse(what: string): never {
    throw new Deno.errors.NotCapable(`A module cannot ${what}`);
  }

  /** Stack traces name the module's own files, and none of what runs them. */
  function formatStackTraces(): void {
    // deno-lint-ignore no-explicit-any -- V8's own interface, which has no types here
    (Error as any).prepareStackTrace = (error: unknown, sites: any[]) => {
      const lines = sites.map((site) => {
        const file = site.getScriptNameOrSourceURL?.() ?? site.getFileName();
        if (!file || /^(?:data|ext):/.test(file)) return "";
        const place = `${file}:${site.getLineNumber()}:${site.getColumnNumber()}`;
        const name = site.getFunctionName();
        return name && name !== "eval" ? `\n    at ${name} (${place})` : `\n    at ${place}`;
      });
      let text: string;
      try {
        text = String(error);
      } catch {
        text = "Error";
      }
      return text + lines.join("");
    };
  }

  function close(): void {
    const exit = (code: unknown = 0) => {
      fail(`ended itself: exit ${code}`);
      throw new Error("The module ends");
    };
    scope.Deno.exit = exit;
    for (const name of ["exit", "reallyExit", "abort"]) scope.process[name] = exit;
    // Newer runtimes let every program send signals to itself.
    scope.Deno.kill = scope.process.kill = () => refuse("send signals");
    scope.process.getBuiltinModule = scope.process.binding = undefined;
    for (const name of ["postMessage", "onmessage", "close", "Worker", "eval"]) {
      Object.defineProperty(scope, name, {
        configurable: false,
        writable: false,
        value: name === "close" ? exit : undefined,
      });
    }
    Reflect.deleteProperty(scope.Deno, scope.Deno.internal);
    // A timer compiles a text.
    for (const name of ["Timeout", "Interval", "Immediate"].map((kind) => `set${kind}`)) {
      scope[name] = new Proxy(scope[name], {
        apply: (timer, self, args) =>
          typeof args[0] === "function" ? Reflect.apply(timer, self, args) : refuse("compile code"),
      });
    }
    // Still what functions are instances of.
    const noCode = function Function() {
      refuse("compile code");
    };
    noCode.prototype = Function.prototype;
    const kinds = [function () {}, async function () {}, function* () {}, async function* () {}];
    for (const kind of kinds) {
      const options = { configurable: false, writable: false, value: noCode };
      Object.defineProperty(Object.getPrototypeOf(kind), "constructor", options);
    }
    scope.Function = noCode;
    scope.addEventListener("unhandledrejection", (event: PromiseRejectionEvent) => {
      event.preventDefault();
      fail(`has an unhandled rejection: ${describe(event.reason)}`);
    });
    scope.addEventListener("error", (event: ErrorEvent) => {
      event.preventDefault();
      fail(`has an uncaught error: ${describe(event.error)}`);
    });
  }

  async function load({ script, methods }: LoadJob): Promise<unknown> {
    const modules = new Map<string, { exports: Exports }>();
    const functions = script.files.map(({ path, code }) => {
      files.add(path);
      modules.set(path, { exports: {} });
      if (path.endsWith(".json")) return null;
      const text = `(async function (require, module, exports) {${code}\n})`;
      try {
        return compile(`${text}\n//# sourceURL=${path}`);
      } catch (error) {
        throw new SyntaxError(`${path}: ${(error as Error).message}`);
      }
    });
    close();
    for (const [index, { path, code, imports }] of script.files.entries()) {
      const module = modules.get(path);
      if (module === undefined) continue;
      // A name that is put together at run time is refused.
      const require = (name: string) => {
        const target = Object.hasOwn(imports, name) ? imports[name] : undefined;
        if (target === undefined) return refuse(`import "${name}"`);
        return modules.get(target)?.exports ?? builtIn(target);
      };
      const run = functions[index];
      if (run) await run.call(undefined, require, module, module.exports);
      else module.exports = JSON.parse(code);
    }
    const exported = modules.get(script.files.at(-1)?.path ?? "")?.exports.default;
    if (typeof exported !== "function" || exported.prototype === undefined) {
      return { kind: typeof exported };
    }
    Module = exported as unknown as ScriptClass;
    return {
      kind: "class",
      number: Module.moduleNumber,
      missing: methods.filter((name) => {
        const [owner, key] = name.startsWith("static ")
          ? [exported, name.slice(7)] as const
          : [exported.prototype, name] as const;
        return typeof owner[key] !== "function";
      }),
    };
  }

  async function perform(job: Job): Promise<unknown> {
    if ("script" in job) return await load(job);
    if ("make" in job) {
      const object = new Module(job.argument);
      if (typeof object.init === "function") await object.init();
      objects.set(job.make, object);
      return undefined;
    }
    if ("static" in job) return await (Module[job.static] as AnyFunction)(...job.args) !== false;
    if ("of" in job) {
      const object = objects.get(job.of);
      const method = object?.[job.method];
      if (typeof method !== "function") return null;
      const value = await Reflect.apply(method, object, job.args);
      // Whatever else a method returns, such as what its last expression was, stays here.
      return job.wants === "data" ? value : value !== false;
    }
    if ("next" in job) return await next(job.next);
    return await drop(job.drop);
  }

  async function drop(index: number): Promise<unknown> {
    const object = objects.get(index);
    objects.delete(index);
    endWaits.get(index)?.();
    endWaits.delete(index);
    // One that waits for its next command never comes back from this.
    void Promise.resolve(iterators.get(index)?.return?.()).catch(() => {});
    iterators.delete(index);
    return typeof object?.destroy === "function" ? await object.destroy() : undefined;
  }

  async function next(index: number): Promise<unknown> {
    const object = objects.get(index);
    let iterator = iterators.get(index);
    if (iterator === undefined) {
      const { commands } = object ?? {};
      const iterable = typeof commands === "function" ? commands.call(object) : commands;
      if (iterable === undefined) return null;
      iterator = iterable[Symbol.asyncIterator]();
      iterators.set(index, iterator);
    }
    try {
      const waiting = iterator.next();
      return await new Promise((resolve, reject) => {
        endWaits.set(index, () => resolve(null));
        waiting.then(({ done, value }) => resolve(done ? null : value), reject);
      });
    } catch (error) {
      // The next time it begins anew.
      iterators.delete(index);
      throw error;
    }
  }

  formatStackTraces();
  scope.addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
    const { id, job } = data;
    try {
      post({ id, value: await perform(job) });
    } catch (error) {
      post({ id, error: describe(error) });
    }
  });
}
