// The devices and the session of a gateway against the server's session in virtual time: whatever
// fails when, the cloud is told of everything.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { GATEWAY_TIMES, type GatewayLinkListener } from "../../src/gateway/mod.ts";
import { silentLog } from "../../src/log/mod.ts";
import { DeviceHandler } from "../../src/module_gateway/device_handler.ts";
import { ExternalSession } from "../../src/module_gateway/external_session.ts";
import { ModuleCalls } from "../../src/module_gateway/module_calls.ts";
import { Turns } from "../../src/module_gateway/turns.ts";
import type { GatewayTurn } from "../../src/module_gateway/mod.ts";
import type { GatewayCall } from "../../src/module/mod.ts";
import { type CallResult, HANDLER_SETTINGS } from "../../src/module_handler/mod.ts";
import { encodeServerMessage, readClientMessage } from "../../src/protocol/codec/mod.ts";
import { type Device, deviceKey } from "../../src/protocol/mod.ts";
import { seededRandom } from "../../src/simulator/misbehavior.ts";
import { SETTINGS } from "../car/support.ts";
import { Connection, Network } from "../gateway/network.ts";
import { type ServerPayload, ServerSide } from "../gateway/server_side.ts";
import { FRONT, REAR } from "../gateway/support.ts";
import { Timeline } from "../gateway/timeline.ts";
import { bytes, plainReturn, text } from "../module_handler/support.ts";

const FAULTS = [
  "server_restart",
  "module_lost",
  "status_lost",
  "broker_restart",
  "server_link_lost",
  "gateway_link_lost",
  "operator_restart",
] as const;

/** A module's call takes so long at most, in milliseconds. */
const CALL_MS = 10;
/** A status that is lost is found out after 30 s, and two attempts may fail. */
const SETTLED_MS = 120_000;
const DEVICES = [FRONT, REAR];

/** The link of a gateway, over the network of the world. */
class VirtualLink {
  losesNext = false;
  readonly #network: Network;
  readonly #listener: GatewayLinkListener;
  #connection: Connection | null = null;

  constructor(network: Network, listener: GatewayLinkListener) {
    this.#network = network;
    this.#listener = listener;
  }

  open(): void {
    const listener = this.#listener;
    this.#connection ??= new Connection(this.#network, "gateway", ["to_gateway", "notification"], {
      onUp: () => listener.onUp(),
      onDown: () => {
        this.#connection = null;
        listener.onDown("test");
      },
      onMessage: (_, payload) => {
        const { message } = payload as ServerPayload;
        if (message === null) listener.onNotification();
        else listener.onMessage(encodeServerMessage(message));
      },
    });
  }

  close(): void {
    this.#connection?.close();
    this.#connection = null;
  }

  closed(): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  publish(payload: Uint8Array): void {
    const message = readClientMessage(payload, this.#network.timeline.now());
    const isLost = this.losesNext && message.kind === "status";
    if (isLost) this.losesNext = false;
    else this.#connection?.publish("to_server", message);
  }

  deliver(_payload: Uint8Array, _topic: string, done: (isAcknowledged: boolean) => void): void {
    done(false);
  }
}

/** Calls of a module that takes its time, and knows only the newest status. */
class VirtualCalls extends ModuleCalls {
  readonly #timeline: Timeline;
  readonly #random: () => number;

  constructor(timeline: Timeline, random: () => number) {
    const module = { number: FRONT.module, call: () => Promise.reject(new Error("unused")) };
    super(new Map([[FRONT.module, module]]));
    this.#timeline = timeline;
    this.#random = random;
  }

  override call(_: number, call: GatewayCall, returned: (outcome: CallResult) => void): void {
    const outcome = call.name === "aggregate_status"
      ? { code: 0, data: call.fresh }
      : plainReturn(call);
    this.#timeline.set(() => returned(outcome), this.#random() * CALL_MS);
  }
}

class OutageWorld {
  readonly timeline = new Timeline();
  readonly session: ExternalSession;
  /** What each device said, and what the cloud was told of each. */
  readonly said = new Map<string, string[]>();
  readonly told = new Map<string, Set<string>>();
  readonly first: string[] = [];
  answers = 0;
  readonly #network: Network;
  readonly #server: ServerSide;
  readonly #handler: DeviceHandler;
  readonly #random: () => number;
  #link: VirtualLink | null = null;
  #isSilent = false;
  #count = 0;

  constructor(seed: number, delayMs: number) {
    const { timeline } = this;
    const random = seededRandom(seed);
    this.#random = random;
    this.#network = new Network(timeline, () => random() * delayMs);
    this.#server = new ServerSide({
      network: this.#network,
      settings: { ...SETTINGS, responseMs: 10_000 },
      random,
      callMs: CALL_MS,
    });
    const calls = new VirtualCalls(timeline, random);
    const turns = new Turns([{ onTurn: (turn) => this.#onTurn(turn) }], silentLog, timeline);
    this.session = new ExternalSession({
      endpoint: { name: "cloud", broker: { host: "nowhere", port: 1 }, modules: [FRONT.module] },
      company: "acme",
      car: "car_1",
      times: GATEWAY_TIMES,
      calls,
      turns,
      clock: timeline,
      link: (listener) => this.#link = new VirtualLink(this.#network, listener),
      onCommand: ({ device, commandData }) => this.#handler.command(device, commandData),
      onForce: (modules) => this.#handler.force(modules),
    });
    this.#handler = new DeviceHandler({
      settings: { ...HANDLER_SETTINGS, modules: [FRONT.module] },
      calls,
      turns,
      log: silentLog,
      clock: timeline,
      answers: {
        answerConnect() {},
        answerStatus: () => void this.answers++,
        push() {},
        dead: (device) => assert.fail(`${deviceKey(device)} is dead`),
      },
      report: (device, data, why) =>
        why === "forced"
          ? this.session.forced(device, data)
          : this.session.report(device, data, false),
    });
    this.#server.start();
    this.session.start();
    for (const device of DEVICES) this.#say(device);
  }

  /** Whether both sides agree on a session. */
  get isRunning(): boolean {
    const { phase, sessionId } = this.session.snapshot();
    const there = this.#server.session;
    return phase === "connected" && there?.kind === "running" && there.sessionId === sessionId;
  }

  /** Lets a fault happen; it is over after `ms`, which some faults have no use for. */
  strike(fault: typeof FAULTS[number], ms: number): void {
    switch (fault) {
      case "server_restart":
        this.#server.kill();
        return void this.timeline.set(() => this.#server.start(), ms);
      case "module_lost":
        return this.#server.loseModules(ms);
      case "status_lost":
        if (this.#link !== null) this.#link.losesNext = true;
        return;
      case "broker_restart":
        this.#network.kill();
        return void this.timeline.set(() => this.#network.start(), ms);
      case "server_link_lost":
        return this.#network.lose("server");
      case "gateway_link_lost":
        return this.#network.lose("gateway");
      case "operator_restart":
        return this.#server.take({ type: "restart" });
    }
  }

  /** Devices say nothing new any more, but live. */
  settle(): void {
    this.#isSilent = true;
    this.timeline.run(SETTLED_MS);
  }

  /** Each status is new, until they settle. */
  #say(device: Device): void {
    const said = this.said.get(deviceKey(device)) ?? [];
    const data = this.#isSilent ? said.at(-1) ?? "" : `${said.length}`;
    if (!this.#isSilent) this.said.set(deviceKey(device), [...said, data]);
    this.#handler.onStatus(device, bytes(data), ++this.#count);
    this.timeline.set(() => this.#say(device), 100 + this.#random() * 5_000);
  }

  #onTurn(turn: GatewayTurn): void {
    if (turn.kind !== "session") return;
    for (const effect of turn.effects) {
      if (effect.type !== "answered") continue;
      const { device, statusData, errorMessage } = effect.open.status;
      const told = this.told.get(deviceKey(device)) ?? new Set();
      const all = [text(statusData), ...text(errorMessage).split(", ")];
      this.told.set(deviceKey(device), told.union(new Set(all)));
      if (effect.inSequence) this.first.push(text(statusData));
    }
  }
}

Deno.test("whatever fails when, the cloud is told of every status that was reported [ERROR-AGGREGATE] [GATEWAY-PREPARE]", () => {
  let sessions = 0;
  const strikes = fc.array(
    fc.record({
      fault: fc.constantFrom(...FAULTS),
      afterMs: fc.oneof(fc.nat(3_000), fc.nat(60_000)),
      lastsMs: fc.oneof(fc.nat(2_000), fc.nat(40_000)),
    }),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(fc.nat(), fc.nat(300), strikes, (seed, delayMs, list) => {
      const world = new OutageWorld(seed, delayMs);
      for (const { fault, afterMs, lastsMs } of list) {
        world.timeline.run(afterMs);
        world.strike(fault, lastsMs);
      }
      world.timeline.run(40_000);
      world.settle();
      assert.ok(world.isRunning, JSON.stringify(world.session.snapshot()));
      for (const [device, said] of world.said) {
        const told = world.told.get(device) ?? new Set();
        assert.deepEqual(said.filter((status) => !told.has(status)), [], device);
      }
      assert.ok(!world.first.includes(""), "no first status is empty");
      sessions += world.session.snapshot().counts.sessions;
    }),
    { numRuns: 100 },
  );
  // Or nothing failed.
  assert.ok(sessions > 200, `${sessions} sessions`);
});
