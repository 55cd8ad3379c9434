// The server as its users run it: a process of its own, from the source or as the compiled binary.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { shownValue } from "../../src/record/difference.ts";
import { replay, type ReplayedTurn } from "../../src/record/replay.ts";
import { fileKind } from "../../src/text/read_file.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** Flags and permissions as the `start` task gives them: none for FFI, which only module hosts need. */
const FLAGS = ["--v8-flags=--max-semi-space-size=4", "--no-prompt"];
const PERMISSIONS = ["net", "read", "write", "env", "run", "sys"].map((name) => `--allow-${name}`);

/** How long a line or the end is waited for by default, in milliseconds: only a hang takes it. */
const WAIT_MS = 60_000;

/** The program and what comes before its own arguments; a binary when the environment names one. */
export function program(): readonly [command: string, args: readonly string[]] {
  const binary = Deno.env.get("EXTERNAL_SERVER_BINARY");
  if (binary !== undefined) return [binary, []];
  return [Deno.execPath(), ["run", ...FLAGS, "--config", CONFIG, ...PERMISSIONS, MAIN]];
}

/** How a process under test is started. */
export interface ProcessOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What to run in place of {@linkcode program}. */
  readonly command?: ReturnType<typeof program>;
  /**
   * Whether a server records its cars, so that the end of the test replays them: today's session must want
   * what it wanted then. @default {true}
   */
  readonly record?: boolean;
}

/** A run of the program whose output can be waited for; killed when the test ends. */
export class ProgramProcess implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly status: Promise<Deno.CommandStatus>;
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;
  readonly #waiters = new Set<() => void>();

  constructor(args: readonly string[], options: ProcessOptions = {}) {
    const [command, first] = options.command ?? program();
    this.#child = new Deno.Command(command, {
      args: [...first, ...args, ...options.args ?? []],
      env: { NO_COLOR: "1", ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.status = this.#child.status;
    this.#read = Promise.all([
      this.#collect(this.#child.stdout),
      this.#collect(this.#child.stderr),
    ]);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Everything printed so far. */
  get text(): string {
    return this.lines.join("\n");
  }

  /** Waits for a line, printed already or to come; in vain when the process has ended. */
  async line(pattern: RegExp, timeoutMs = WAIT_MS): Promise<string> {
    const found = Promise.withResolvers<string>();
    let seen = 0;
    const look = () => {
      for (; seen < this.lines.length; seen++) {
        const line = this.lines[seen] ?? "";
        if (pattern.test(line)) found.resolve(line);
      }
    };
    this.#waiters.add(look);
    look();
    try {
      const ended = this.#read.then(() => {
        throw new Error(`The process has ended without a line like ${pattern}`);
      });
      return await waitFor(
        Promise.race([found.promise, ended]),
        `a line like ${pattern}`,
        timeoutMs,
      );
    } catch (cause) {
      throw new Error(`${(cause as Error).message}; printed so far:\n${this.text}`, { cause });
    } finally {
      this.#waiters.delete(look);
    }
  }

  /** Sends a signal; does nothing when the process is gone. */
  signal(name: Deno.Signal): void {
    try {
      this.#child.kill(name);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Waits for the end and for all that was printed; fails when a defect was reported. */
  async ended(timeoutMs = WAIT_MS): Promise<Deno.CommandStatus> {
    const status = await waitFor(this.status, "the process to end", timeoutMs).catch((cause) => {
      throw new Error(`${cause.message}; printed so far:\n${this.text}`, { cause });
    });
    await waitFor(this.#read, "the end of its output");
    const defect = this.lines.find((line) => /\bDefect, /.test(line));
    if (defect !== undefined) throw new Error(`The program reported a defect: ${defect}`);
    return status;
  }

  /** Ends it cleanly, as an operator would. */
  async stop(): Promise<Deno.CommandStatus> {
    this.signal("SIGTERM");
    return await this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.ended();
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      this.lines.push(...lines);
      for (const look of [...this.#waiters]) look();
    }
    if (rest !== "") this.lines.push(rest);
    for (const look of [...this.#waiters]) look();
  }
}

/** One module in a test's configuration. */
export interface TestModule {
  readonly lib_path: string;
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  readonly timeout_ms?: number;
}

/** What a test wants of its configuration; the rest has values fit for tests. */
export interface TestConfig {
  readonly port: number;
  /** Modules of each car, by id. */
  readonly cars: Readonly<Record<string, Readonly<Record<string, TestModule>>>>;
  /** Any further keys of the documented dialect. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** The company of every test. */
export const COMPANY = "acme";

/** A configuration of the documented dialect. */
export function configDocument({ port, cars, more }: TestConfig): Record<string, unknown> {
  return {
    company_name: COMPANY,
    mqtt_address: "127.0.0.1",
    mqtt_port: port,
    mqtt_timeout: 30,
    timeout: 10,
    sleep_duration_after_connection_refused: 0.1,
    logging: { console: { level: "DEBUG", use: true } },
    common_modules: {},
    cars: Object.fromEntries(
      Object.entries(cars).map(([name, modules]) => [name, { specific_modules: modules }]),
    ),
    ...more,
  };
}

/** The recording's name in the folder of a server. */
const RECORDING = "recording";

/** A recording must replay without a difference; a server may have ended before it had any. */
async function replays(directory: string, needed: boolean): Promise<void> {
  if (!needed && await fileKind(directory) === "missing") return;
  const cars = await replay(directory);
  assert.ok(!needed || cars.size > 0, "The server has recorded no car");
  for (const [car, { first }] of cars) {
    const found = first && `${first.turn.input.type}: ${shownDifference(first)}`;
    assert.equal(found, null, `The session of ${car} does not replay`);
  }
}

function shownDifference({ difference }: ReplayedTurn): string {
  const { path, recorded, today } = difference ?? { path: "" };
  return `${path}: recorded ${shownValue(recorded)}, today ${shownValue(today)}`;
}

/** A server with a configuration of its own; `await using` ends it. */
export class ServerProcess extends ProgramProcess {
  /** Where its configuration is. */
  readonly configFile: string;
  readonly #folder: TempFolder;
  readonly #records: boolean;

  private constructor(folder: TempFolder, file: string, options: ProcessOptions) {
    super(
      [file, ...options.record === false ? [] : ["--event-log", folder.file(RECORDING)]],
      options,
    );
    this.configFile = file;
    this.#folder = folder;
    this.#records = options.record !== false;
  }

  /** Starts a server and waits until it serves its cars. */
  static async start(config: TestConfig, options: ProcessOptions = {}): Promise<ServerProcess> {
    const server = await ServerProcess.launch(config, options);
    try {
      await server.line(/Serving \d+ cars?/);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  /** Where it listens for operators, such as `http://127.0.0.1:8080`. */
  async operatorsUrl(): Promise<string> {
    const line = await this.line(/Listening for operators on /);
    return line.slice(line.indexOf("http"));
  }

  /** Starts a server, and waits for nothing. */
  static async launch(config: TestConfig, options: ProcessOptions = {}): Promise<ServerProcess> {
    const folder = await TempFolder.make();
    const file = join(folder.path, "config.json");
    await Deno.writeTextFile(file, JSON.stringify(configDocument(config)));
    return new ServerProcess(folder, file, options);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await using _folder = this.#folder;
    await super[Symbol.asyncDispose]();
    const served = this.lines.some((line) => /Serving \d+ cars?/.test(line));
    await replays(
      this.#folder.file(RECORDING),
      this.#records && served && (await this.status).code === 0,
    );
  }
}
