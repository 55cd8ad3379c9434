// A script as a process of its own that is asked and answers line by line.
import { fileURLToPath } from "node:url";
import { readLines } from "./lines.ts";
import { waitFor } from "./wait.ts";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const ENDED_MS = 5_000;

/** Ends with its owner, and when its standard input is closed. */
export class ScriptProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncGenerator<string>;
  readonly #name: string;

  /** @param flags of Deno, such as `--v8-flags=...` */
  constructor(script: URL, args: readonly string[] = [], flags: readonly string[] = []) {
    this.#name = script.pathname.split("/").slice(-2).join("/");
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--no-check",
        "--allow-all",
        ...flags,
        "--config",
        CONFIG,
        fileURLToPath(script),
        ...args,
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = readLines(this.#child.stdout);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The next line it prints. */
  async line(timeoutMs: number): Promise<string> {
    const next = await waitFor(this.#lines.next(), `a line of ${this.#name}`, timeoutMs);
    if (next.done) throw new Error(`Cannot read a line of ${this.#name}: it has ended`);
    return next.value;
  }

  /** Asks with a line of JSON, and waits for the line that answers. */
  async ask(request: unknown, timeoutMs: number): Promise<string> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`));
    return await this.line(timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#input.close();
      await waitFor(this.#child.status, `${this.#name} to end`, ENDED_MS);
    } catch {
      try {
        this.#child.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await this.#child.status;
    }
    await this.#lines.return(undefined);
  }
}
