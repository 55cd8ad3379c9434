// Anything that may arrive on a car's topic: it is logged once a minute, and nothing else happens to this
// car or any other.
import assert from "node:assert/strict";
import { encodeClientMessage } from "../../src/protocol/codec/codec.ts";
import {
  type ClientMessage,
  type Device,
  DeviceState,
  NO_BYTES,
} from "../../src/protocol/messages.ts";
import { makeDevices } from "../../src/simulator/devices.ts";
import { seededRandom } from "../../src/simulator/misbehavior.ts";
import type { ScriptedGateway } from "../support/scripted_gateway.ts";
import { anyMessage } from "../adversary/messages.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { familyMemoryKb } from "./processes.ts";
import { COMPANY, type ServerProcess } from "./server_process.ts";
import { PATIENT, Stage } from "./stage.ts";

/** How often each wrong message is sent: it must be said once. */
const TIMES = 5;

function connectOf(devices: readonly Device[], sessionId = "s-1"): ClientMessage {
  return { kind: "connect", sessionId, company: COMPANY, vehicleName: "car_1", devices };
}

function statusOf(device: Device, sessionId: string, messageCounter: number): ClientMessage {
  return {
    kind: "status",
    sessionId,
    deviceState: DeviceState.RUNNING,
    messageCounter,
    device,
    statusData: new Uint8Array([123, 125]),
    errorMessage: NO_BYTES,
  };
}

/** The texts of a car's lines at WARNING or above, without the session. */
function warnings({ lines }: ServerProcess, car: string): string[] {
  const ofCar = new RegExp(`\\[(?:WARNING|ERROR|CRITICAL)\\]\t \\(${car}\\)\t(.*)`);
  return lines.flatMap((line) => ofCar.exec(line)?.[1] ?? [])
    .map((text) => text.replace(/ \[session=[^ \]]+\]$/, "").replace(/session=[^ \]]+ /, ""));
}

/** Sends one status of the running session, and expects its answer and nothing else. */
async function goesOn(gateway: ScriptedGateway): Promise<void> {
  const [device] = gateway.devices;
  assert.ok(device);
  const counter = gateway.status(device);
  assert.equal((await gateway.expect("status_response")).messageCounter, counter);
}

mosquittoTest(
  "what is no message is said once a minute by the car's name, and changes nothing [MQTT-PAYLOAD]",
  async () => {
    await using stage = await Stage.set();
    const server = await stage.serve({ cars: { car_1: {}, car_2: {} } });
    const other = stage.gateway("car_2", { rate: 50, clocks: PATIENT });
    const otherSession = await other.running();
    const gateway = await stage.scripted("car_1");
    await gateway.connectSequence();
    const [device] = gateway.devices;
    assert.ok(device);
    const whole = encodeClientMessage(statusOf(device, gateway.sessionId, 2));

    const random = seededRandom(6);
    for (let i = 0; i < TIMES; i++) {
      gateway.publishRaw(whole.slice(0, whole.length - 3));
      gateway.publishRaw(Uint8Array.from({ length: 300 }, () => 0x80 | random() * 256));
      gateway.publishRaw(new Uint8Array());
      gateway.publishRaw(new Uint8Array(10 * 1024 * 1024));
      for (const topic of ["", "/module_gateway/more", "/Module_Gateway"]) {
        gateway.publishRaw(whole, `${COMPANY}/car_1${topic}`);
      }
      gateway.publishRaw(whole, `${COMPANY}/car_99/module_gateway`);
    }
    await goesOn(gateway);
    assert.deepEqual([gateway.told, gateway.notifications], [[], 0]);
    assert.equal(other.sessionId, otherSession);
    assert.deepEqual(other.violations, []);

    await server.stop();
    const said = warnings(server, "car_1");
    assert.equal(said.length, 2, said.join("\n"));
    assert.ok(said.some((text) => text.startsWith("Discarded a message: Cannot decode")));
    const oversize = "Discarded a message of 10485760 bytes unread: max_message_bytes is 1048576";
    assert.ok(said.includes(oversize));
    assert.deepEqual(warnings(server, "car_2"), []);
  },
);

mosquittoTest(
  "what is not understood in a message is passed over, and the rest counts [MSG-OPEN-ENUMS]",
  async () => {
    await using stage = await Stage.set();
    const server = await stage.serve({ cars: { car_1: {} } });
    const gateway = await stage.scripted("car_1");
    const [device] = gateway.devices;
    assert.ok(device);
    await gateway.connectSequence();

    // Unknown fields, in the outer message and in the status.
    const status = encodeClientMessage(statusOf(device, gateway.sessionId, 2));
    const unknown = [0xba, 0x3e, 3, 1, 2, 3, 0xc0, 0x3e, 99];
    const inner = [...status.subarray(2), ...unknown];
    gateway.publishRaw(
      new Uint8Array([...status.subarray(0, 1), inner.length, ...inner, ...unknown]),
    );
    assert.equal((await gateway.expect("status_response")).messageCounter, 2);
    gateway.counter = 3;
    for (let i = 0; i < TIMES; i++) {
      // Values that no enum has: the state is answered and not forwarded, the module is a stranger.
      gateway.status(device, "state", { state: 17 });
      gateway.status({ ...device, module: 424_242 }, "module");
      await gateway.expect("status_response");
      await gateway.expect("status_response");
      gateway.answer({
        kind: "command",
        sessionId: gateway.sessionId,
        messageCounter: 4_000_000_000,
        device,
        commandData: NO_BYTES,
      }, 77);
    }
    await goesOn(gateway);
    assert.deepEqual(await stage.record.statuses(), ["{}", "{}", "{}"]);
    assert.deepEqual([gateway.told, gateway.notifications], [[], 0]);
    await server.stop();
    assert.deepEqual(warnings(server, "car_1"), [
      "Status answered but not forwarded: its state is neither CONNECTING, RUNNING nor DISCONNECT " +
      "[device=1000/0/role_1]",
      "Status answered but not forwarded: the car has no such module in the configuration " +
      "[device=424242/0/role_1]",
      "Ignored command response 4000000000: no open command has its counter",
    ]);
  },
);

mosquittoTest(
  "a Connect that cannot be used is refused, said once, and disturbs no session [CONNECT-MESSAGE]",
  async () => {
    await using stage = await Stage.set();
    const server = await stage.serve({
      cars: { car_1: {} },
      more: { timeout: 60, limits: { max_message_bytes: 10_000_000 } },
    });
    const gateway = await stage.scripted("car_1");
    const bad = [
      connectOf(gateway.devices, ""),
      connectOf([]),
      connectOf(makeDevices(100_000)),
    ].map(encodeClientMessage);
    const sendAll = () => {
      for (let i = 0; i < TIMES; i++) for (const bytes of bad) gateway.publishRaw(bytes);
    };

    // So soon after the start, which every gateway was told of, none is told anything.
    sendAll();
    await gateway.connectSequence();
    sendAll();
    await goesOn(gateway);
    assert.deepEqual([gateway.told, gateway.notifications], [[], 0]);
    await server.stop();
    assert.deepEqual(warnings(server, "car_1"), [
      "Session ended: connect_incomplete: Connect without a session id",
      "Session ended: protocol_violation: Connect lists 100000 devices, at most 1000 are allowed",
      "Ignored Connect: it lacks a session id or has no, or too many, devices",
    ]);
  },
);

mosquittoTest(
  "messages of one car on another's topic reach no module and end no session [SESSION-FOREIGN]",
  async () => {
    await using stage = await Stage.set();
    const server = await stage.serve({ cars: { car_1: {}, car_2: {}, idle: {} } });
    const [one, two] = [await stage.scripted("car_1"), await stage.scripted("car_2")];
    await one.connectSequence();
    await two.connectSequence();
    const [device] = two.devices;
    assert.ok(device);
    const stray = encodeClientMessage(statusOf(device, two.sessionId, two.counter));
    for (let i = 0; i < TIMES; i++) {
      two.publishRaw(stray, `${COMPANY}/car_1/module_gateway`);
      two.publishRaw(stray, `${COMPANY}/idle/module_gateway`);
    }
    await goesOn(one);
    await goesOn(two);
    assert.deepEqual([...one.told, ...two.told, one.notifications, two.notifications], [0, 0]);
    await server.line(/\(idle\)\tIgnored status 2: the car has no session/);
    await server.line(/\(car_1\)\tIgnored status 2: it belongs to another session/);
    await server.stop();
    const ignored = server.lines.filter((line) => /Ignored status/.test(line));
    assert.equal(ignored.length, 2, ignored.join("\n"));
    assert.deepEqual(await stage.record.statuses("car_1"), ["{}", "{}"]);
    assert.deepEqual(await stage.record.statuses("idle"), []);
  },
);

const TOTAL = 200_000;
/** One after the other is attacked, as a car that begins sequence after sequence has to wait. */
const VICTIMS = 50;
/** The broker keeps 1,000 messages for a subscriber that is behind, and drops what comes then. */
const BATCH = 800;

mosquittoTest(
  `${
    TOTAL.toLocaleString("en")
  } random and mutated messages leave memory flat, and cars connecting [MSG-EXTERNAL]`,
  async () => {
    await using stage = await Stage.set();
    const names = Array.from({ length: VICTIMS }, (_, index) => `victim_${index}`);
    const victims = Object.fromEntries(names.map((name) => [name, { record: "/dev/null" }]));
    const server = await stage.serve({ cars: { ...victims, car_2: {}, car_3: {} } });
    const gateways = await Promise.all(names.map((name) => stage.scripted(name, { devices: 3 })));
    const other = stage.gateway("car_2", { rate: 50, clocks: PATIENT });
    const otherSession = await other.running();
    const random = seededRandom(200_000);
    const memory: number[] = [];
    for (let sent = 0, round = 0; sent < TOTAL; round++) {
      const gateway = gateways[round % VICTIMS] ?? assert.fail();
      await gateway.connectSequence();
      const { sessionId, devices } = gateway;
      const [device] = devices;
      assert.ok(device);
      const right = [
        connectOf(devices, "s-2"),
        statusOf(device, sessionId, 2),
        { ...statusOf(device, sessionId, 1), deviceState: DeviceState.CONNECTING } as ClientMessage,
        { kind: "command_response", sessionId, type: 0, messageCounter: 1 } as const,
      ].map(encodeClientMessage);
      for (let i = 0; i < BATCH; i++, sent++) gateway.publishRaw(anyMessage(right, random));
      // A Connect is taken in every state, and so tells how far the server has come.
      gateway.connect();
      await waitFor(
        () =>
          gateway.unread.some((one) =>
            one.kind === "connect_response" && one.sessionId === gateway.sessionId
          ),
        `the Connect after ${sent} messages to be answered`,
        60_000,
      );
      while (gateway.unread.length > 0) await gateway.expect(gateway.unread[0]?.kind ?? "command");
      if (sent % 50_000 < BATCH) memory.push(await familyMemoryKb(server.pid));
    }
    for (const gateway of gateways.slice(0, 3)) {
      await gateway.connectSequence();
      await goesOn(gateway);
    }
    assert.equal(other.sessionId, otherSession);
    assert.deepEqual(other.violations, []);
    // By the second look every victim has been attacked once, and has what it needs.
    const [, early = 0] = memory;
    const late = memory.at(-1) ?? Infinity;
    assert.ok(late - early < 40_000, `Memory in kB after each 50,000: ${memory}`);
    await stage.gateway("car_3").running();
    await server.stop();
    for (const name of names) {
      const said = warnings(server, name);
      assert.ok(said.length < 1000, `${said.length} warnings: ${said.slice(0, 100).join("\n")}`);
    }
    assert.doesNotMatch(server.text, /Defect/);
  },
);
