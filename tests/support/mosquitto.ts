// A real Mosquitto on a free port, for tests: "await using broker = await Mosquitto.start()".
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { TempFolder } from "./temp.ts";
import { waitFor } from "./wait.ts";

/** How the broker is set up; everything it does not name is Mosquitto's default. */
export interface MosquittoOptions {
  /** @default a free port */
  readonly port?: number;
  /** The server's own certificate; with `clientCertificates` every client needs one. */
  readonly tls?: {
    readonly caFile: string;
    readonly certFile: string;
    readonly keyFile: string;
    readonly clientCertificates?: boolean;
  };
  /** Name to password; without it everybody may come in. */
  readonly users?: Readonly<Record<string, string>>;
  /**
   * Whether the port speaks WebSocket instead of plain MQTT, which `plainPort` speaks then (this
   * Mosquitto does not start with WebSocket listeners alone).
   */
  readonly websockets?: boolean;
  /** The only topics that may be subscribed to; without it all may. */
  readonly subscribable?: readonly string[];
  /** A whole configuration for this port, in place of all that the others say. */
  readonly config?: (port: number) => string;
  /** Further lines of the configuration, such as `max_queued_messages 0`. */
  readonly lines?: readonly string[];
}

/** Debian puts it where the PATH of a plain user does not look. */
const BINARY = findBinary();
/** Comes with Debian's mosquitto. */
const SECURITY_PLUGIN = `/usr/lib/${Deno.build.arch}-linux-gnu/mosquitto_dynamic_security.so`;
/** How often another port is tried when another process took the one that was free. */
const PORT_ATTEMPTS = 5;
/** Free ports are drawn from here on, up to END_PORT: below those that Linux gives out by itself. */
const FIRST_PORT = 10_000;
const END_PORT = 32_000;
const STARTED_MS = 60_000;
const STOPPED_MS = 5_000;

/** Whether Mosquitto is there to be started. */
export const hasMosquitto = BINARY !== undefined;

/**
 * Registers a test that needs Mosquitto: ignored by name where the program is missing, unless
 * `REQUIRE_MOSQUITTO=1` says that it must be there; then the test fails instead.
 */
export function mosquittoTest(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  const ignore = !hasMosquitto && Deno.env.get("REQUIRE_MOSQUITTO") !== "1";
  Deno.test({ name: `${name} [mosquitto]`, ignore, fn });
}

/** One broker process, which can be killed and started again on the same port. */
export class Mosquitto implements AsyncDisposable {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  /** Where it speaks MQTT without WebSocket and TLS; the same as `port` unless `websockets`. */
  readonly plainPort: number;
  readonly #folder: TempFolder;
  readonly #configFile: string;
  #process: Deno.ChildProcess | undefined;
  #log = "";
  #logRead: Promise<void> = Promise.resolve();

  private constructor(port: number, plainPort: number, folder: TempFolder, configFile: string) {
    this.port = port;
    this.plainPort = plainPort;
    this.#folder = folder;
    this.#configFile = configFile;
  }

  /**
   * Starts a broker and waits until it takes connections.
   *
   * @throws {Error} when Mosquitto is missing, or ends at once; with what it said.
   */
  static async start(options: MosquittoOptions = {}): Promise<Mosquitto> {
    for (let attempt = 1;; attempt++) {
      const port = options.port ?? freePort();
      const plainPort = options.websockets ? freePort() : port;
      const folder = await TempFolder.make();
      const configFile = await writeConfig(folder, port, plainPort, options);
      const broker = new Mosquitto(port, plainPort, folder, configFile);
      try {
        await broker.#launch();
        return broker;
      } catch (error) {
        await folder[Symbol.asyncDispose]();
        const taken = broker.#log.includes("Address already in use");
        if (options.port !== undefined || !taken || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  /** What it has written to its log since it was last started. */
  get log(): string {
    return this.#log;
  }

  /** Its process id while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Ends it with SIGKILL, so that no client is told, and waits until it is gone. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends it cleanly, if it runs, and starts it on the same port. */
  async restart(): Promise<void> {
    await this.stop();
    await this.#launch();
  }

  /** Ends it cleanly; does nothing when it is already gone. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** Stops it and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#folder[Symbol.asyncDispose]();
  }

  async #launch(): Promise<void> {
    if (!BINARY) throw new Error("Cannot start mosquitto: not found, install Debian's mosquitto");
    this.#log = "";
    const process = new Deno.Command(BINARY, {
      args: ["-c", this.#configFile],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#process = process;
    const running = Promise.withResolvers<void>();
    this.#logRead = this.#readLog(process, running.resolve);
    const ended = process.status.then(async ({ code }) => {
      await this.#logRead;
      throw new Error(`Cannot start mosquitto: it ended with status ${code}: ${this.#log}`);
    });
    // It ends at some point in any case, unobserved.
    ended.catch(() => {});
    try {
      await waitFor(Promise.race([running.promise, ended]), "mosquitto to run", STARTED_MS);
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /** Reads all it writes, or it would block some day, and keeps the first part. */
  async #readLog(process: Deno.ChildProcess, onRunning: () => void): Promise<void> {
    let running = false;
    for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
      if (this.#log.length < 1_000_000) this.#log += text;
      if (!running && /mosquitto version \S+ running/.test(this.#log)) {
        running = true;
        onRunning();
      }
    }
  }

  async #end(signal: Deno.Signal): Promise<void> {
    const process = this.#process;
    if (!process) return;
    this.#process = undefined;
    signalQuietly(process, signal);
    try {
      await waitFor(process.status, `mosquitto to end after ${signal}`, STOPPED_MS);
    } catch {
      signalQuietly(process, "SIGKILL");
      await process.status;
    }
    await this.#logRead;
  }
}

function signalQuietly(process: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    process.kill(signal);
  } catch {
    // It has ended by itself.
  }
}

async function writeConfig(
  folder: TempFolder,
  port: number,
  plainPort: number,
  { tls, users, websockets, subscribable, lines = [], config: whole }: MosquittoOptions,
): Promise<string> {
  const common = [
    // As root it would become the user "mosquitto", who cannot read our files.
    "user root",
    "log_dest stderr",
    "log_type error",
    "log_type warning",
    "log_type notice",
    "log_type information",
  ];
  const write = (text: readonly string[]) =>
    folder.write("mosquitto.conf", [...text, ...lines, ""].join("\n"));
  if (whole !== undefined) return await write([...common, whole(port)]);
  const config = [
    ...common,
    "persistence false",
    ...(websockets ? [`listener ${plainPort} 127.0.0.1`] : []),
    `listener ${port} 127.0.0.1`,
    `protocol ${websockets ? "websockets" : "mqtt"}`,
  ];
  if (users) {
    const passwords = Object.entries(users).map(([name, text]) => `${name}:${hash(text)}\n`);
    config.push("allow_anonymous false");
    config.push(`password_file ${await folder.write("passwords", passwords.join(""))}`);
  } else config.push("allow_anonymous true");
  if (subscribable) {
    // Its plain access control files refuse deliveries, but never a subscription.
    const file = await folder.write("security.json", JSON.stringify(securityRules(subscribable)));
    config.push(`plugin ${SECURITY_PLUGIN}`, `plugin_opt_config_file ${file}`);
  }
  if (tls) {
    config.push(`cafile ${tls.caFile}`, `certfile ${tls.certFile}`, `keyfile ${tls.keyFile}`);
    if (tls.clientCertificates) config.push("require_certificate true");
  }
  return await write(config);
}

/** Rules of Mosquitto's dynamic security plugin. */
function securityRules(subscribable: readonly string[]): unknown {
  const acls = subscribable.map((topic) => ({
    acltype: "subscribeLiteral",
    topic,
    allow: true,
  }));
  return {
    defaultACLAccess: {
      publishClientSend: true,
      publishClientReceive: true,
      subscribe: false,
      unsubscribe: true,
    },
    anonymousGroup: "anybody",
    groups: [{ groupname: "anybody", roles: [{ rolename: "subscriber" }] }],
    roles: [{ rolename: "subscriber", acls }],
  };
}

/** What mosquitto_passwd writes: PBKDF2 with SHA-512. */
function hash(password: string): string {
  const iterations = 101;
  const salt = randomBytes(12);
  const key = pbkdf2Sync(password, salt, iterations, 64, "sha512");
  return `$7$${iterations}$${salt.toString("base64")}$${key.toString("base64")}`;
}

/**
 * A port that was free a moment ago, on 127.0.0.1. The system does not choose it for anybody who does
 * not ask for it, so that it is likely free still when a program has started, or restarted.
 */
export function freePort(): number {
  while (true) {
    const port = FIRST_PORT + Math.floor(Math.random() * (END_PORT - FIRST_PORT));
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

function findBinary(): string | undefined {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => `${folder}/mosquitto`).find((path) => existsSync(path));
}
