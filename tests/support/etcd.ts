// A real etcd on free ports, for tests: "await using etcd = await Etcd.start()".
import { existsSync } from "node:fs";
import { TempFolder } from "./temp.ts";
import { waitFor } from "./wait.ts";

const BINARY = ["/usr/bin/etcd", "/usr/local/bin/etcd"].find((path) => existsSync(path));
const READY = "serving client traffic";
const TAKEN = "address already in use";
/** How often other ports are tried when another process took those that were free. */
const PORT_ATTEMPTS = 5;

/** What is missing for a trial that needs etcd, if it is. */
export const needsEtcd = BINARY === undefined && Deno.env.get("REQUIRE_ETCD") !== "1" && "etcd";

/** Registers a test that needs etcd, as `mosquittoTest` does for Mosquitto. */
export function etcdTest(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  const ignore = BINARY === undefined && Deno.env.get("REQUIRE_ETCD") !== "1";
  Deno.test({ name: `${name} [etcd]`, ignore, fn });
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** One node, which can be killed and started again with what it had. */
export class Etcd implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly port: number;
  readonly #peerPort: number;
  #process: Deno.ChildProcess | undefined;
  #log = "";
  #logRead: Promise<void> = Promise.resolve();

  private constructor(folder: TempFolder) {
    this.#folder = folder;
    this.port = freePort();
    this.#peerPort = freePort();
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /**
   * Starts a node and waits until it answers.
   *
   * @throws {Error} when etcd is missing, or ends at once; with what it said.
   */
  static async start(): Promise<Etcd> {
    for (let attempt = 1;; attempt++) {
      const folder = await TempFolder.make();
      const etcd = new Etcd(folder);
      try {
        await etcd.run();
        return etcd;
      } catch (error) {
        await etcd[Symbol.asyncDispose]();
        if (attempt === PORT_ATTEMPTS || !etcd.#log.includes(TAKEN)) throw error;
      }
    }
  }

  /** Starts it, again with what it had. */
  async run(): Promise<void> {
    if (BINARY === undefined) throw new Error("Cannot start etcd: it is not installed");
    const peer = `http://127.0.0.1:${this.#peerPort}`;
    this.#process = new Deno.Command(BINARY, {
      args: [
        ...["--data-dir", this.#folder.file("data"), "--name", "test"],
        ...["--listen-client-urls", this.url, "--advertise-client-urls", this.url],
        ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
        ...["--initial-cluster", `test=${peer}`, "--unsafe-no-fsync", "--logger", "zap"],
      ],
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const ready = Promise.withResolvers<void>();
    this.#logRead = this.#readLog(this.#process, ready);
    await waitFor(ready.promise, "etcd to be ready");
  }

  /** Kills it without a word. */
  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    process?.kill("SIGKILL");
    await process?.status;
    await this.#logRead;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#folder[Symbol.asyncDispose]();
  }

  async #readLog(process: Deno.ChildProcess, ready: PromiseWithResolvers<void>): Promise<void> {
    this.#log = "";
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
      this.#log += text;
      if (this.#log.includes(READY)) ready.resolve();
    }
    ready.reject(new Error(`etcd ended: ${this.#log.slice(-500)}`));
  }
}
