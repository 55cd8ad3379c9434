// Where a reader of the pages sits: a configuration, files beside it, and a shell.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { buildExampleModule } from "../../examples/module/build.ts";
import { configDocument, ProgramProcess } from "../e2e/server_process.ts";
import { freePort } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";

/** The folder of the checkout, with a slash at the end. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Where a reader sits: a configuration with files beside it, and no server yet. */
export class Desk implements AsyncDisposable {
  readonly folder: TempFolder;
  readonly port = freePort();
  readonly httpPort = freePort();
  readonly #stack: AsyncDisposableStack;

  private constructor(folder: TempFolder, stack: AsyncDisposableStack) {
    this.folder = folder;
    this.#stack = stack;
  }

  static async make(): Promise<Desk> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await TempFolder.make());
    const desk = new Desk(folder, stack.move());
    await desk.write(desk.port);
    return desk;
  }

  get config(): string {
    return this.folder.file("config.json");
  }

  /** Keeps something until the desk is left. */
  use<T extends AsyncDisposable>(resource: T): T {
    return this.#stack.use(resource);
  }

  async write(port: number): Promise<void> {
    const { path } = this.use(await buildExampleModule());
    const cars = { car_1: { "1000": { lib_path: path } } };
    const more = {
      http: { address: "127.0.0.1", port: this.httpPort },
      logging: { console: { use: true, level: "DEBUG" } },
    };
    await Deno.writeTextFile(this.config, JSON.stringify(configDocument({ port, cars, more })));
  }

  /** A server that is its own broker. */
  async serve(): Promise<ProgramProcess> {
    const server = this.use(new ProgramProcess([this.config, "--broker"]));
    await server.line(/car_1.*is now CONNECTED/);
    return server;
  }

  /** The same, answering operators. */
  async serveOperators(): Promise<void> {
    const server = await this.serve();
    await server.line(/operators/i);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Runs the program with arguments to its end, which must be a good one. */
export async function succeeds(...args: string[]): Promise<string> {
  await using process = new ProgramProcess(args, { cwd: ROOT });
  assert.equal((await process.ended()).code, 0, process.text);
  return process.text;
}

/** What `deno task` starts is what users start. */
export function task(...args: string[]): ProgramProcess {
  return new ProgramProcess(["task", ...args], { cwd: ROOT, command: [Deno.execPath(), []] });
}

export async function taskSucceeds(...args: string[]): Promise<void> {
  await using process = task(...args);
  assert.equal((await process.ended(120_000)).code, 0, process.text);
}

/** Starts a server by its task, and ends it when the car has its broker. */
export async function taskServes(...args: string[]): Promise<void> {
  await using server = task("start", ...args);
  try {
    await server.line(/car_1.*is now CONNECTED/);
  } finally {
    // Not killed, in any case: the server is a child of the task's process, which passes this on.
    assert.equal((await server.stop()).code, 0, server.text);
  }
}

export async function shell(script: string, options: Deno.CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script],
    cwd: ROOT,
    ...options,
  }).output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout);
}
