// Real receivers of sinks, which can be killed: brokers behind a bridge, nats-server, an HTTP server, files.
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { connectAsync, type MqttClient } from "mqtt";
import { fileURLToPath } from "node:url";
import { Bridge } from "../support/bridge.ts";
import { freePort } from "../support/mosquitto.ts";
import { Nats } from "../support/nats.ts";
import type { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

/** What arrived, in order: an id, and what tells its body from another. */
export type Arrived = readonly (readonly [id: string, hash: number])[];

/** Where a sink delivers to. */
export interface Receiver extends AsyncDisposable {
  /** The sink, as a configuration has it. */
  readonly sink: Readonly<Record<string, unknown>>;
  /** When the newest of what arrived happened, in milliseconds since the epoch; 0: nothing has. */
  newest(): number | Promise<number>;
  arrived(): Promise<Arrived>;
}

/** A process that is killed and started again. */
export interface Victim {
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/** What is compared of bodies with the same id. */
function hashOf(text: string): number {
  let hash = 5381;
  for (let index = 0; index < text.length; index++) {
    hash = (Math.imul(hash, 33) + text.charCodeAt(index)) | 0;
  }
  return hash;
}

const ID = /^\{"id":"([^"]*)","at":"([^"]*)"/;

function arrivalOf(body: string): readonly [id: string, hash: number] {
  return [ID.exec(body)?.[1] ?? body, hashOf(body)];
}

/** When an event happened; 0: the text is none. */
function momentOf(body: string): number {
  return Date.parse(ID.exec(body)?.[2] ?? "") || 0;
}

/**
 * A subscriber of the second broker of the example, whose session survives kills of the broker: messages
 * wait for it when the bridge is back first.
 */
export class BridgeReceiver implements Receiver {
  readonly #client: MqttClient;
  readonly #arrived: (readonly [string, number])[] = [];
  #newest = 0;

  private constructor(readonly bridge: Bridge, client: MqttClient) {
    this.#client = client;
    client.on("message", (_, payload) => {
      const body = payload.toString();
      this.#arrived.push(arrivalOf(body));
      this.#newest = Math.max(this.#newest, momentOf(body));
    });
    // It connects again by itself.
    client.on("error", () => {});
  }

  static async start(): Promise<BridgeReceiver> {
    const bridge = await Bridge.start({ restart_timeout: "1" }, ["queue_qos0_messages true"]);
    const { port } = bridge.cloud;
    const session = { clientId: "recorder", clean: false, reconnectPeriod: 100 } as const;
    const client = await connectAsync({ host: "127.0.0.1", port, ...session });
    const receiver = new BridgeReceiver(bridge, client);
    // Without acknowledgements: those that a broker has not read when it is killed would take what it has
    // sent with them. It sends a message before it acknowledges it to the bridge.
    await client.subscribeAsync("telemetry/#", { qos: 0 });
    // It writes its sessions when it ends in order; a kill afterwards cannot lose this one.
    await bridge.cloud.restart();
    await waitFor(() => client.connected, "the subscriber");
    return receiver;
  }

  get sink() {
    return { kind: "mqtt", address: `mqtt://127.0.0.1:${this.bridge.local.port}` };
  }

  newest(): number {
    return this.#newest;
  }

  arrived(): Promise<Arrived> {
    return Promise.resolve(this.#arrived);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.endAsync(true);
    await this.bridge[Symbol.asyncDispose]();
  }
}

/** A stream of nats-server. */
export class NatsReceiver implements Receiver, Victim {
  private constructor(readonly nats: Nats) {}

  static async start(): Promise<NatsReceiver> {
    const nats = await Nats.start();
    const stream = { name: "telemetry", subjects: ["telemetry.>"] };
    // Nanoseconds: longer than any test.
    const window = { duplicate_window: 3600e9 };
    await nats.manage((manager) => manager.streams.add({ ...stream, ...window }));
    return new NatsReceiver(nats);
  }

  get sink() {
    return { kind: "nats", address: `nats://127.0.0.1:${this.nats.port}` };
  }

  async newest(): Promise<number> {
    return await this.nats.manage(async ({ streams }) => {
      const last = { last_by_subj: "telemetry.>" };
      const { state } = await streams.info("telemetry");
      if (state.messages === 0) return 0;
      return momentOf((await streams.getMessage("telemetry", last))?.string() ?? "");
    });
  }

  async arrived(): Promise<Arrived> {
    const servers = `127.0.0.1:${this.nats.port}`;
    const connection = await connect({ servers, reconnect: false });
    const found: (readonly [string, number])[] = [];
    try {
      const consumer = await jetstream(connection).consumers.get("telemetry");
      const total = (await this.nats.manage(({ streams }) =>
        streams.info("telemetry")
      )).state.messages;
      while (found.length < total) {
        const batch = await consumer.fetch({ max_messages: 1000, expires: 5000 });
        for await (const message of batch) {
          found.push(arrivalOf(message.string()));
          if (found.length >= total) break;
        }
      }
      await consumer.delete();
    } finally {
      await connection.close();
    }
    return found;
  }

  kill(): Promise<void> {
    return this.nats.kill();
  }

  restart(): Promise<void> {
    return this.nats.run();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.nats[Symbol.asyncDispose]();
  }
}

/** Files of NDJSON, of which the last is written. */
class Files {
  constructor(readonly paths: () => string[]) {}

  newest(): number {
    const path = this.paths().at(-1);
    if (path === undefined) return 0;
    using file = Deno.openSync(path);
    const { size } = file.statSync();
    const bytes = new Uint8Array(Math.min(size, 64 * 1024));
    file.seekSync(size - bytes.length, Deno.SeekMode.Start);
    const read = file.readSync(bytes) ?? 0;
    const lines = new TextDecoder().decode(bytes.subarray(0, read)).split("\n");
    // Behind the last newline is nothing, or half a line.
    return momentOf(lines.at(-2) ?? "");
  }

  async arrived(): Promise<Arrived> {
    const found: (readonly [string, number])[] = [];
    for (const path of this.paths()) {
      let rest = "";
      const file = await Deno.open(path);
      for await (const text of file.readable.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) found.push(arrivalOf(line));
      }
    }
    return found;
  }
}

/** A file sink, which has nobody at its other end. */
export class FileReceiver implements Receiver {
  readonly #files: Files;

  constructor(readonly directory: string) {
    this.#files = new Files(() => {
      try {
        return [...Deno.readDirSync(directory)].map(({ name }) => `${directory}/${name}`).sort();
      } catch {
        return [];
      }
    });
  }

  get sink() {
    return { kind: "file", directory: this.directory, max_bytes: 2_000_000 };
  }

  newest = () => this.#files.newest();
  arrived = () => this.#files.arrived();
  [Symbol.asyncDispose] = () => Promise.resolve();
}

const RECEIVER = fileURLToPath(new URL("../export/http_receiver.ts", import.meta.url));

/** An HTTP server. */
export class HttpReceiver implements Receiver, Victim {
  readonly #port = freePort();
  readonly #path: string;
  readonly #files: Files;
  #child: Deno.ChildProcess | undefined;

  private constructor(path: string, readonly secretFile: string) {
    this.#path = path;
    this.#files = new Files(() => [path]);
  }

  static async start(folder: TempFolder): Promise<HttpReceiver> {
    const secret = await folder.write("secret", "a-secret-that-is-long-enough");
    const receiver = new HttpReceiver(folder.file("posted.ndjson"), secret);
    await receiver.restart();
    return receiver;
  }

  get sink() {
    const url = `http://127.0.0.1:${this.#port}/`;
    return { kind: "webhook", url, secret_file: this.secretFile };
  }

  newest = () => this.#files.newest();
  arrived = () => this.#files.arrived();

  async restart(): Promise<void> {
    const run = ["run", "--quiet", "--no-check", "--no-prompt", "--allow-all", RECEIVER];
    const child = new Deno.Command(Deno.execPath(), {
      args: [...run, String(this.#port), this.#path],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#child = child;
    const reader = child.stdout.getReader();
    const { done } = await waitFor(reader.read(), "the HTTP server");
    await reader.cancel();
    if (done) throw new Error("The HTTP server has ended");
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.status;
    this.#child = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
