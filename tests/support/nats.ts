// A real nats-server with JetStream on a free port, for tests: "await using nats = await Nats.start()".
import { existsSync } from "node:fs";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { freePort } from "./mosquitto.ts";
import { TempFolder } from "./temp.ts";
import { waitFor } from "./wait.ts";

/** Debian puts it where the PATH of a plain user does not look. */
const BINARY = ["/usr/sbin", "/usr/bin", "/usr/local/bin"].map((folder) => `${folder}/nats-server`)
  .find((path) => existsSync(path));
const READY = "Server is ready";
const TAKEN = "address already in use";
/** How often another port is tried when another process took the one that was free. */
const PORT_ATTEMPTS = 5;

/** Registers a test that needs nats-server, as `mosquittoTest` does for Mosquitto. */
export function natsTest(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  const ignore = BINARY === undefined && Deno.env.get("REQUIRE_NATS") !== "1";
  Deno.test({ name: `${name} [nats]`, ignore, fn });
}

/** One server, which can be killed and started again with what it had. */
export class Nats implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #lines: readonly string[];
  readonly port = freePort();
  #process: Deno.ChildProcess | undefined;
  #log = "";
  #logRead: Promise<void> = Promise.resolve();

  private constructor(folder: TempFolder, lines: readonly string[]) {
    this.#folder = folder;
    this.#lines = lines;
  }

  /**
   * Starts a server and waits until it takes connections.
   *
   * @param lines further ones of its configuration
   * @throws {Error} when it is missing, or ends at once; with what it said
   */
  static async start(lines: readonly string[] = []): Promise<Nats> {
    for (let attempt = 1;; attempt++) {
      const nats = new Nats(await TempFolder.make(), lines);
      try {
        await nats.run();
        return nats;
      } catch (error) {
        await nats[Symbol.asyncDispose]();
        if (attempt === PORT_ATTEMPTS || !nats.#log.includes(TAKEN)) throw error;
      }
    }
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts it, again with what it had. */
  async run(): Promise<void> {
    if (BINARY === undefined) throw new Error("Cannot start nats-server: it is not installed");
    const config = [
      `listen: "127.0.0.1:${this.port}"`,
      `jetstream { store_dir: ${JSON.stringify(this.#folder.file("data"))} }`,
      ...this.#lines,
    ];
    this.#process = new Deno.Command(BINARY, {
      args: ["-c", await this.#folder.write("nats.conf", `${config.join("\n")}\n`)],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const ready = Promise.withResolvers<void>();
    this.#logRead = this.#readLog(this.#process, ready);
    await waitFor(ready.promise, "nats-server to be ready");
  }

  /** Kills it without a word. */
  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    process?.kill("SIGKILL");
    await process?.status;
    await this.#logRead;
  }

  /** Lets somebody manage its streams. */
  async manage<T>(work: (manager: JetStreamManager) => Promise<T>, user = {}): Promise<T> {
    const servers = `127.0.0.1:${this.port}`;
    const connection = await connect({ servers, reconnect: false, ...user });
    try {
      return await work(await jetstreamManager(connection));
    } finally {
      await connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#folder[Symbol.asyncDispose]();
  }

  async #readLog(process: Deno.ChildProcess, ready: PromiseWithResolvers<void>): Promise<void> {
    this.#log = "";
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
      if (this.#log.length < 1_000_000) this.#log += text;
      if (this.#log.includes(READY)) ready.resolve();
    }
    ready.reject(new Error(`nats-server ended: ${this.#log.slice(-500)}`));
  }
}
