// The codec against vectors written by hand, against the .proto files, and against random bytes.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "../support/properties.ts";
// @ts-types="protobufjs"
import protobuf from "protobufjs/light";
import { readDescriptor } from "../../proto/generate.ts";
import {
  decodeClientMessage,
  decodeServerMessage,
  encodeClientMessage,
  encodeServerMessage,
  readClientMessage,
} from "../../src/protocol/codec/codec.ts";
import descriptor from "../../src/protocol/codec/descriptor.json" with { type: "json" };
import { MalformedMessageError } from "../../src/protocol/codec/errors.ts";
import {
  type ClientMessage,
  CommandResponseType,
  ConnectResponseType,
  DeviceState,
  type ServerMessage,
} from "../../src/protocol/messages.ts";
import { malformation, shapeOf } from "../../src/protocol/codec/well_formed.ts";

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
const device = { module: 3, deviceType: 1, deviceRole: "r", deviceName: "n", priority: 2 };

Deno.test("descriptor.json is what the .proto files say", () => {
  assert.deepEqual(descriptor, JSON.parse(JSON.stringify(readDescriptor())));
});

Deno.test("decodeClientMessage() reads a status written by hand [MSG-EXTERNAL]", () => {
  const bytes = hex(
    "12 1f" + // ExternalClient.status
      "0a 01 73" + // sessionId "s"
      "10 01" + // deviceState RUNNING
      "18 ff ff ff ff 0f" + // messageCounter 4294967295
      "22 0e 0a 0a 08 03 10 01 1a 01 72 22 01 6e 12 00" + // device, empty data
      "2a 02 00 ff", // errorMessage
  );
  const message = decodeClientMessage(bytes);
  assert.ok(message.kind === "status");
  assert.equal(message.sessionId, "s");
  assert.equal(message.deviceState, 1);
  assert.equal(message.messageCounter, 4294967295);
  assert.deepEqual(message.device, { ...device, priority: 0 });
  assert.equal(message.statusData.length, 0);
  assert.deepEqual([...message.errorMessage], [0, 255]);
});

const ROOT = protobuf.Root.fromJSON(descriptor as protobuf.INamespace);
const CLIENT = ROOT.lookupType("ExternalProtocol.ExternalClient");
const SERVER = ROOT.lookupType("ExternalProtocol.ExternalServer");

Deno.test("the numbers of states and responses are those of the .proto files [MSG-EXTERNAL]", () => {
  const enums = [
    ["Status.DeviceState", DeviceState],
    ["ConnectResponse.Type", ConnectResponseType],
    ["CommandResponse.Type", CommandResponseType],
  ] as const;
  for (const [name, values] of enums) {
    const { values: declared } = ROOT.lookupEnum(`ExternalProtocol.${name}`);
    assert.deepEqual({ ...values }, { ...declared }, name);
  }
});

Deno.test("encodeServerMessage() writes every field that the .proto files name [MSG-EXTERNAL]", () => {
  const sessionId = "s";
  const named = (message: ServerMessage) =>
    SERVER.toObject(SERVER.decode(encodeServerMessage(message)), { enums: String, bytes: Array });
  assert.deepEqual(named({ kind: "status_response", sessionId, messageCounter: 300 }), {
    // Its type is OK, the number that is not written.
    statusResponse: { sessionId, messageCounter: 300 },
  });
  assert.deepEqual(named({ kind: "connect_response", sessionId, type: 1 }), {
    connectResponse: { sessionId, type: "ALREADY_LOGGED" },
  });
  const commandData = new Uint8Array([1, 0, 255]);
  assert.deepEqual(
    named({ kind: "command", sessionId, messageCounter: 7, device, commandData }),
    {
      command: {
        sessionId,
        messageCounter: 7,
        deviceCommand: { device, commandData: [1, 0, 255] },
      },
    },
  );
  assert.deepEqual(decodeServerMessage(hex("12 06 0a 01 73 18 ac 02")), {
    kind: "status_response",
    sessionId,
    messageCounter: 300,
  });
});

Deno.test("encodeClientMessage() writes an error message only when there is one [MSG-EXTERNAL]", () => {
  const status = {
    kind: "status",
    sessionId: "s",
    deviceState: DeviceState.DISCONNECT,
    messageCounter: 1,
    device,
    statusData: new Uint8Array(0),
  } as const;
  for (const errorMessage of [[], [9]]) {
    const bytes = encodeClientMessage({ ...status, errorMessage: new Uint8Array(errorMessage) });
    const found = CLIENT.toObject(CLIENT.decode(bytes), { enums: String, bytes: Array });
    assert.equal(found.status.deviceState, "DISCONNECT");
    assert.deepEqual(found.status.errorMessage ?? [], errorMessage);
    assert.equal("errorMessage" in found.status, errorMessage.length > 0);
  }
});

Deno.test("readClientMessage() notes when a status arrived, beside all that is in it", () => {
  const bytes = hex("12 0b 0a 01 73 10 01 18 05 2a 02 01 02");
  const { receivedAt, ...rest } = readClientMessage(bytes, 4711) as { receivedAt?: number };
  assert.equal(receivedAt, 4711);
  assert.deepEqual(rest, readClientMessage(bytes));
  assert.ok(!("receivedAt" in readClientMessage(bytes)));
});

Deno.test("decodeClientMessage() takes unknown fields, unknown states and missing devices", () => {
  const message = decodeClientMessage(hex("12 0a 0a 01 73 10 63 18 05 ca 3e 00"));
  assert.ok(message.kind === "status");
  assert.equal(message.deviceState, 99);
  const nothing = { module: 0, deviceType: 0, deviceRole: "", deviceName: "", priority: 0 };
  assert.deepEqual(message.device, nothing);
  assert.equal(message.statusData.length, 0);
});

Deno.test("decodeClientMessage() refuses what is not a message", () => {
  assert.throws(() => decodeClientMessage(new Uint8Array(0)), MalformedMessageError);
  assert.throws(() => decodeClientMessage(hex("12 20 0a")), /Cannot decode 3 bytes/);
  // The decoder's own words follow, not the kind of error it threw.
  assert.throws(
    () => decodeServerMessage(hex("12 20 0a")),
    /^MalformedMessageError: Cannot decode 3 bytes as ExternalServer: index out of range/,
  );
});

const uint32 = fc.nat({ max: 0xffffffff });
const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => new Uint8Array(array));
const text = fc.string({ unit: "grapheme", maxLength: 20 });
const devices = fc.record({
  module: fc.nat({ max: 0x7fffffff }),
  deviceType: uint32,
  deviceRole: text,
  deviceName: text,
  priority: uint32,
}, { noNullPrototype: true });

/** Byte fields come back as views of another class; compare their contents. */
function comparable(message: object): unknown {
  return Object.fromEntries(
    Object.entries(message).map(([key, value]) => [
      key,
      value instanceof Uint8Array ? [...value] : value,
    ]),
  );
}

Deno.test("decodeClientMessage() refuses names that are too long to keep, and says which", () => {
  const long = "x".repeat(1025);
  const fits = "x".repeat(1024);
  const connect = { kind: "connect", sessionId: "s", company: "c", vehicleName: "v" } as const;
  const status = {
    kind: "status",
    sessionId: "s",
    deviceState: 0,
    messageCounter: 1,
    statusData: new Uint8Array(0),
    errorMessage: new Uint8Array(0),
  } as const;
  const response = { kind: "command_response", type: 0, messageCounter: 1 } as const;
  const cases: readonly (readonly [string, (name: string) => ClientMessage])[] = [
    ["session id", (sessionId) => ({ ...connect, sessionId, devices: [device] })],
    ["company", (company) => ({ ...connect, company, devices: [device] })],
    ["vehicle name", (vehicleName) => ({ ...connect, vehicleName, devices: [device] })],
    ["device role", (deviceRole) => ({ ...connect, devices: [device, { ...device, deviceRole }] })],
    ["session id", (sessionId) => ({ ...status, sessionId, device })],
    ["device role", (deviceRole) => ({ ...status, device: { ...device, deviceRole } })],
    ["device name", (deviceName) => ({ ...status, device: { ...device, deviceName } })],
    ["session id", (sessionId) => ({ ...response, sessionId })],
  ];
  for (const [what, message] of cases) {
    assert.equal(decodeClientMessage(encodeClientMessage(message(fits))).kind, message("").kind);
    assert.throws(() => decodeClientMessage(encodeClientMessage(message(long))), (error: Error) => {
      assert.ok(error instanceof MalformedMessageError);
      const found = `1025 characters, it begins with "${"x".repeat(20)}"`;
      assert.ok(
        error.message.endsWith(`a ${what} has at most 1024 characters: this one has ${found}`),
      );
      return true;
    });
  }
});

Deno.test("messages of gateways survive encoding and decoding", () => {
  const messages: fc.Arbitrary<ClientMessage> = fc.oneof(
    fc.record({
      kind: fc.constant("connect" as const),
      sessionId: text,
      company: text,
      vehicleName: text,
      devices: fc.array(devices, { maxLength: 5 }),
    }),
    fc.record({
      kind: fc.constant("status" as const),
      sessionId: text,
      deviceState: fc.nat({ max: 9 }),
      messageCounter: uint32,
      device: devices,
      statusData: bytes,
      errorMessage: bytes,
    }),
    fc.record({
      kind: fc.constant("command_response" as const),
      sessionId: text,
      type: fc.nat({ max: 9 }),
      messageCounter: uint32,
    }),
  );
  fc.assert(fc.property(messages, (message) => {
    const back = decodeClientMessage(encodeClientMessage(message));
    assert.deepEqual(comparable(back), comparable(message));
  }));
});

Deno.test("messages of the server survive encoding and decoding", () => {
  const messages: fc.Arbitrary<ServerMessage> = fc.oneof(
    fc.record({
      kind: fc.constant("connect_response" as const),
      sessionId: text,
      type: fc.nat({ max: 1 }),
    }),
    fc.record({
      kind: fc.constant("status_response" as const),
      sessionId: text,
      messageCounter: uint32,
    }),
    fc.record({
      kind: fc.constant("command" as const),
      sessionId: text,
      messageCounter: uint32,
      device: devices,
      commandData: bytes,
    }),
  );
  fc.assert(fc.property(messages, (message) => {
    const back = decodeServerMessage(encodeServerMessage(message));
    assert.deepEqual(comparable(back), comparable(message));
  }));
});

Deno.test("decodeClientMessage() answers random bytes with a message or MalformedMessageError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (payload) => {
      try {
        decodeClientMessage(payload);
      } catch (error) {
        assert.ok(error instanceof MalformedMessageError);
      }
    }),
    { numRuns: 2000 },
  );
});

/** A message with some of its bytes changed, or cut off. */
const damaged = fc.tuple(
  fc.record({ text, device: devices, data: bytes, counter: uint32 }),
  fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 }),
  fc.nat({ max: 300 }),
).map(([{ text, device, data, counter }, changes, kept]) => {
  const whole = encodeClientMessage({
    kind: "status",
    sessionId: text,
    deviceState: 1,
    messageCounter: counter,
    device,
    statusData: data,
    errorMessage: data,
  });
  for (const [at, byte] of changes) whole[at % whole.length] = byte;
  return whole.slice(0, kept);
});

function decodes(payload: Uint8Array): boolean {
  try {
    CLIENT.decode(payload);
    return true;
  } catch {
    return false;
  }
}

/** Ten bytes in a row that say that the number goes on. */
function hasTooLongNumber(bytes: Uint8Array): boolean {
  let run = 0;
  return bytes.some((byte) => (run = byte > 127 ? run + 1 : 0) === 10);
}

Deno.test("malformation() finds exactly what the decoder would throw at, groups apart", () => {
  const shape = shapeOf(CLIENT);
  const counts = { whole: 0, broken: 0 };
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 60 })), (payload) => {
      const wrong = malformation(payload, shape);
      if (wrong?.includes("wire type")) return;
      // A number has 10 bytes at most; the decoder skips longer ones in fields that it does not know.
      if (wrong !== undefined && hasTooLongNumber(payload)) return;
      counts[wrong === undefined ? "whole" : "broken"]++;
      assert.equal(wrong ?? "whole", decodes(payload) ? "whole" : wrong ?? "broken");
    }),
    { numRuns: 5_000 },
  );
  assert.ok(counts.whole > 100 && counts.broken > 100, JSON.stringify(counts));
});

Deno.test("malformation() finds the decoder's limits to the byte", () => {
  const cases = [
    ["12 03 0a 01 7f", true],
    ["12 03 0a 01 80", false],
    ["12 04 0a 02 c3 a4", true],
    // Numbers of 10 and of 11 bytes, tags of 5 and of 6, the largest tag and one beyond it.
    ["12 0b 10 ff ff ff ff ff ff ff ff ff 01", true],
    ["12 0c 10 ff ff ff ff ff ff ff ff ff ff 01", false],
    ["92 80 80 80 00 02 18 05", true],
    ["92 80 80 80 80 00 02 18 05", false],
    ["f8 ff ff ff 0f 00", true],
    ["f8 ff ff ff 1f 00", false],
    ["80 80 80 80 10 00", false],
    // A length of 5 bytes, and of 6.
    ["12 82 80 80 80 00 18 05", true],
    ["12 82 80 80 80 80 00 18 05", false],
    // Fields of 8 and of 4 bytes that end where the message does, and one byte too early.
    ["39 00 00 00 00 00 00 00 00", true],
    ["39 00 00 00 00 00 00 00", false],
    ["3d 00 00 00 00", true],
    ["3d 00 00 00", false],
  ] as const;
  const shape = shapeOf(CLIENT);
  for (const [text, whole] of cases) {
    const payload = hex(text);
    assert.equal(decodes(payload), whole, `The decoder at ${text}`);
    assert.equal(malformation(payload, shape) === undefined, whole, text);
  }
});

Deno.test("readClientMessage() never throws at malformed bytes, and says what is wrong", () => {
  const reasons = [
    ["", /none of its messages is set in 0 bytes/],
    ["12 20 0a", /Cannot decode 3 bytes as ExternalClient: a field in it does not end where/],
    ["12 03 0a 01 ff", /: a string in it is not UTF-8/],
    ["0b", /: it has a field of the unknown wire type 3/],
    ["00 00", /: it has a field number out of range/],
    ["12 81 80 80 80 80 00", /: a field in it does not end where/],
  ] as const;
  for (const [bytes, reason] of reasons) {
    const message = readClientMessage(hex(bytes));
    assert.ok(message.kind === "malformed");
    assert.match(message.reason, reason);
  }
});
