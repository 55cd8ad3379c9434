// A server that knows just enough to please a gateway: over a function, or over a broker.
import { Buffer } from "node:buffer";
import type { MqttClient } from "mqtt";
import { decodeClientMessage, encodeServerMessage } from "../../src/protocol/codec/codec.ts";
import { nextCounter } from "../../src/protocol/counter.ts";
import {
  type ClientMessage,
  type Connect,
  ConnectResponseType,
  type Device,
  NO_BYTES,
  type ServerMessage,
} from "../../src/protocol/messages.ts";
import { openStream } from "../../src/net/link_stream.ts";
import { createClient } from "../../src/transport/mqtt/client.ts";
import { localBroker } from "../support/mqtt_peers.ts";
import { waitFor } from "../support/wait.ts";

/** Answers one gateway: every connect sequence, and every status in counter order, once. */
export class FakeServer {
  /** Everything the gateway said. */
  readonly received: ClientMessage[] = [];
  /** The command counter, which no new session resets. */
  commandCounter: number;
  /** Whether statuses of normal communication are answered. */
  answering = true;
  readonly #send: (message: ServerMessage) => void;
  #connect: Connect | undefined;
  #expected = 1;
  #early = new Set<number>();
  #unanswered = 0;

  constructor(send: (message: ServerMessage) => void, commandCounter = 0) {
    this.#send = send;
    this.commandCounter = commandCounter;
  }

  get sessionId(): string {
    return this.#connect?.sessionId ?? "";
  }

  handle(message: ClientMessage): void {
    this.received.push(message);
    if (message.kind === "connect") {
      this.#connect = message;
      this.#expected = 1;
      this.#early = new Set();
      this.#unanswered = message.devices.length;
      this.#send({ kind: "connect_response", sessionId: message.sessionId, type: 0 });
    } else if (message.kind === "status" && message.sessionId === this.sessionId) {
      this.#onStatus(message.messageCounter);
    }
  }

  /** Tells the gateway to connect again. */
  alreadyLogged(sessionId: string = this.sessionId): void {
    this.#send({ kind: "connect_response", sessionId, type: ConnectResponseType.ALREADY_LOGGED });
  }

  /** Sends a command with the next counter. */
  command(device: Device, text = ""): void {
    const { sessionId, commandCounter: messageCounter } = this;
    const commandData = text === "" ? NO_BYTES : new TextEncoder().encode(text);
    this.commandCounter = nextCounter(messageCounter);
    this.#send({ kind: "command", sessionId, messageCounter, device, commandData });
  }

  #onStatus(counter: number): void {
    if (counter < this.#expected) return;
    this.#early.add(counter);
    while (this.#early.delete(this.#expected)) {
      const messageCounter = this.#expected++;
      const first = messageCounter <= this.#unanswered;
      if (!first && !this.answering) continue;
      this.#send({ kind: "status_response", sessionId: this.sessionId, messageCounter });
      if (messageCounter === this.#unanswered) {
        for (const device of this.#connect?.devices ?? []) this.command(device);
      }
    }
  }
}

/** The same on a broker, for all cars of a company. */
export class FakeMqttServer implements AsyncDisposable {
  readonly cars = new Map<string, FakeServer>();
  readonly #client: MqttClient;
  readonly #company: string;

  private constructor(client: MqttClient, company: string) {
    this.#client = client;
    this.#company = company;
    client.on("message", (topic, payload) => {
      const car = topic.split("/")[1] ?? "";
      this.car(car).handle(decodeClientMessage(payload));
    });
  }

  static async start(port: number, company: string): Promise<FakeMqttServer> {
    const broker = localBroker(port);
    const client = createClient(() => openStream(broker), { broker });
    const server = new FakeMqttServer(client, company);
    const ready = Promise.withResolvers<void>();
    client.on("error", ready.reject);
    client.on("connect", () => {
      client.subscribe(
        `${company}/+/module_gateway`,
        { qos: 1 },
        (e) => e ? ready.reject(e) : ready.resolve(),
      );
    });
    client.connect();
    await waitFor(ready.promise, "the fake server to subscribe", 60_000);
    return server;
  }

  car(name: string): FakeServer {
    const known = this.cars.get(name);
    if (known !== undefined) return known;
    const server = new FakeServer((message) => {
      this.publish(`${this.#company}/${name}/external_server`, encodeServerMessage(message));
    });
    this.cars.set(name, server);
    return server;
  }

  notify(car: string): void {
    this.publish(`${this.#company}/${car}/external_server_disconnect`, NO_BYTES);
  }

  publish(topic: string, payload: Uint8Array): void {
    this.#client.publish(topic, Buffer.from(payload), { qos: 1 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.endAsync(true);
  }
}
