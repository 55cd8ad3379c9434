// A server with its port for operators, and cars whose broker, gateways and modules are the test.
import assert from "node:assert/strict";
import type { HttpConfig } from "../../src/config/resolve/config.ts";
import type * as z from "zod";
import type { TurnSubscriber } from "../../src/car/turn.ts";
import { ServerEvent } from "../../src/http/api/event_schemas.ts";
import { METHODS } from "../../src/http/api/methods.ts";
import { type Operated, Operators, type OperatorsOptions } from "../../src/http/operators.ts";
import { decodeServerMessage, encodeClientMessage } from "../../src/protocol/codec/codec.ts";
import { type Device, DeviceState } from "../../src/protocol/messages.ts";
import type { Recorder } from "../../src/record/recorder.ts";
import { Server } from "../../src/server/server.ts";
import { Pauses } from "../../src/state/pauses.ts";
import type { StateDirectory } from "../../src/state/state_directory.ts";
import { bytes } from "../car/support.ts";
import { documented, load } from "../config/support.ts";
import { FakeHosts } from "../server/fake_hosts.ts";
import { ListLog } from "../support/list_log.ts";
import { MemoryTransport } from "../support/memory_transport.ts";
import { settled } from "../support/virtual_clock.ts";
import { Inbox, waitFor } from "../support/wait.ts";

/** The key of every test that has one. */
export const KEY = "0123456789abcdef";

/** How the fixture differs from the usual. */
export interface FixtureOptions {
  readonly http?: Partial<HttpConfig>;
  readonly reload?: Operated["reload"];
  readonly cars?: Readonly<Record<string, unknown>>;
  /** The section `map`. */
  readonly map?: Readonly<Record<string, string>>;
  /** Look on beside the operators. */
  readonly subscribers?: readonly TurnSubscriber[];
  readonly sinks?: OperatorsOptions["sinks"];
  readonly configSource?: OperatorsOptions["configSource"];
  readonly cluster?: Operated["cluster"];
  /** The event log; it has to be among the subscribers, and started. */
  readonly eventLog?: Recorder;
  /** What survives the fixture; opened already. */
  readonly state?: StateDirectory;
}

/** Started; `await using fixture = await Fixture.start()`. Cars have module 7 and no broker yet. */
export class Fixture implements AsyncDisposable {
  readonly log = new ListLog();
  readonly hosts = new FakeHosts();
  readonly transports = new Map<string, MemoryTransport>();
  /** What was asked of the log, as `level car`. */
  readonly levels: string[] = [];
  readonly operators: Operators;
  readonly pauses: Pauses;
  readonly server: Server;
  readonly #aborts = new Set<AbortController>();

  private constructor(
    {
      http = {},
      cars = { car_a: {}, car_b: {} },
      map = {},
      state: stateDirectory,
      eventLog,
      subscribers = [],
      sinks,
      configSource,
    }: FixtureOptions,
  ) {
    const { log, hosts, transports } = this;
    const pauses = this.pauses = new Pauses(stateDirectory, log);
    const config = { address: "127.0.0.1", port: 0, apiKey: KEY, ...http };
    const observed = { sinks, configSource, eventLog };
    this.operators = new Operators({ config, log, pauses, stateDirectory, ...observed });
    this.server = new Server({
      config:
        load(documented({ cars, map, mqtt_username: "me", mqtt_password: "swordfish" })).config,
      log,
      contextsPerHost: 15,
      subscribers: [...this.operators.subscribers, ...subscribers],
      isPaused: (car) => pauses.get(car) !== undefined,
      async startHost(events, _config, kind) {
        const host = await hosts.start(events, kind);
        const contexts = () =>
          hosts.all.at(-1)?.contexts.map(({ spec, openCalls }) => ({
            ...spec,
            openCalls,
            destroying: false,
          })) ?? [];
        host.snapshot = () => ({ pid: 4711, residentBytes: 1_000_000, contexts: contexts() });
        return host;
      },
      createTransport({ name }) {
        const transport = new MemoryTransport();
        transports.set(name, transport);
        return transport;
      },
    });
  }

  static async start(options: FixtureOptions = {}): Promise<Fixture> {
    const fixture = new Fixture(options);
    await fixture.pauses.load();
    await fixture.operators.load();
    await fixture.server.start();
    await fixture.operators.start({
      fleet: fixture.server,
      reload: options.reload,
      cluster: options.cluster,
      setLogLevel: (level, car) => fixture.levels.push(`${level} ${car}`),
    });
    return fixture;
  }

  /** The broker's and gateway's end of a car. */
  transport(car: string): MemoryTransport {
    return this.transports.get(car) as MemoryTransport;
  }

  /** Lets every car reach the broker. */
  up(): this {
    for (const transport of this.transports.values()) transport.up();
    return this;
  }

  /** Asks with the key. */
  get(path: string, init: RequestInit = {}): Promise<Response> {
    return this.bare(path, { ...init, headers: { "x-api-key": KEY, ...init.headers } });
  }

  /** Asks without the key. */
  bare(path: string, init: RequestInit = {}): Promise<Response> {
    return waitFor(fetch(`${this.operators.url}${path}`, init), `an answer to ${path}`);
  }

  /** Asks for JSON; the status has to be 200. */
  async json<T>(path: string): Promise<T> {
    const answer = await this.get(path);
    assert.equal(answer.status, 200, path);
    return await answer.json() as T;
  }

  /** Sends a string to JSON-RPC. */
  rpcText(body: string, headers: Record<string, string> = {}): Promise<Response> {
    const type = { "content-type": "application/json" };
    return this.get("/rpc", { method: "POST", body, headers: { ...type, ...headers } });
  }

  /** Calls a method and gives what came of it. */
  async rpc(method: string, params?: unknown): Promise<RpcAnswer> {
    const answer = await this.rpcText(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
    assert.equal(answer.status, 200);
    const answered = await answer.json() as RpcAnswer;
    const result = METHODS.find(({ name }) => name === method)?.result;
    if (answered.result !== undefined) assertDescribed(answered.result, result);
    return answered;
  }

  /** Listens to events until the fixture ends, or the signal. */
  async events(lastEventId?: string, signal?: AbortSignal): Promise<Inbox<ServerEvent>> {
    return (await this.stream(lastEventId, signal)).inbox;
  }

  /** As {@linkcode events}, with the ids of those that have come. */
  async stream(lastEventId?: string, until?: AbortSignal): Promise<Stream> {
    const abort = new AbortController();
    this.#aborts.add(abort);
    const signal = AbortSignal.any([abort.signal, ...until ? [until] : []]);
    const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
    const answer = await this.get("/api/v1/events", { signal, headers });
    assert.equal(answer.status, 200);
    const stream = { inbox: new Inbox<ServerEvent>(), ids: [] };
    void readEvents(answer.body as ReadableStream<Uint8Array<ArrayBuffer>>, stream).catch(() => {});
    return stream;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const abort of this.#aborts) abort.abort();
    await this.operators.stop();
    await this.server.stop();
  }
}

/** An answer has what its schema says, and nothing that it does not say. */
function assertDescribed(answer: unknown, schema: z.ZodType | undefined): void {
  assert.deepEqual(schema?.parse(answer), answer);
}

/** What JSON-RPC answers. */
export interface RpcAnswer {
  readonly id: unknown;
  // deno-lint-ignore no-explicit-any -- a test looks into what it expects
  readonly result?: any;
  // deno-lint-ignore no-explicit-any -- the same
  readonly error?: { readonly code: number; readonly message: string; readonly data?: any };
}

/** Events and their ids, in order. */
export interface Stream {
  readonly inbox: Inbox<ServerEvent>;
  readonly ids: string[];
}

async function readEvents(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  { inbox, ids }: Stream,
) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const part of body) {
    const blocks = (rest + decoder.decode(part, { stream: true })).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const match = /^id: ([\w-]+)\nevent: (\w+)\ndata: (.*)$/.exec(block);
      const [, id = "", type, data = ""] = match ?? [];
      const event = JSON.parse(data) as ServerEvent;
      assert.equal(event.type, type);
      ids.push(id);
      inbox.push(event);
    }
  }
}

/** Takes events until one is of this type and passes. */
export async function eventOf<T extends ServerEvent["type"]>(
  inbox: Inbox<ServerEvent>,
  type: T,
  passes: (event: ServerEvent & { type: T }) => boolean = () => true,
): Promise<ServerEvent & { type: T }> {
  while (true) {
    const event = await inbox.next(`an event "${type}"`);
    assertDescribed(event, ServerEvent);
    if (event.type === type && passes(event as ServerEvent & { type: T })) {
      return event as ServerEvent & { type: T };
    }
  }
}

/** A gateway at the other end of a car's transport. */
export class TestGateway {
  readonly #transport: MemoryTransport;
  readonly #car: string;
  #counter = 0;
  #sessionId = "";

  constructor(fixture: Fixture, car: string) {
    this.#transport = fixture.transport(car);
    this.#car = car;
  }

  connect(devices: readonly Device[], sessionId = "s1"): void {
    this.#sessionId = sessionId;
    this.#counter = 0;
    const names = { company: "company", vehicleName: this.#car };
    this.#transport.deliver(encodeClientMessage({ kind: "connect", sessionId, ...names, devices }));
  }

  status(device: Device, data: string | Uint8Array, error = "", state: number = 1): void {
    this.#transport.deliver(encodeClientMessage({
      kind: "status",
      sessionId: this.#sessionId,
      deviceState: state,
      messageCounter: this.#counter++,
      device,
      statusData: typeof data === "string" ? bytes(data) : data,
      errorMessage: bytes(error),
    }));
  }

  respond(messageCounter: number, type = 0): void {
    const sessionId = this.#sessionId;
    this.#transport.deliver(
      encodeClientMessage({ kind: "command_response", sessionId, type, messageCounter }),
    );
  }

  /** The connect sequence to its end. */
  async run(devices: readonly Device[], sessionId = "s1"): Promise<this> {
    const before = this.#transport.published.length;
    this.connect(devices, sessionId);
    await settled();
    for (const device of devices) this.status(device, "", "", DeviceState.CONNECTING);
    await settled();
    for (const payload of this.#transport.published.slice(before)) {
      const message = decodeServerMessage(payload);
      if (message.kind === "command") this.respond(message.messageCounter);
    }
    await settled();
    return this;
  }
}
