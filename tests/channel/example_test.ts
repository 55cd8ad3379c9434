// Checking channels: every expression is compiled and tried, decoders find their messages.
import assert from "node:assert/strict";
import protobuf from "protobufjs/light.js";
import descriptor from "protobufjs/ext/descriptor";
import { Channels } from "../../src/channel/channels.ts";
import {
  type ChannelConfig,
  checkChannels,
  type DecoderConfig,
  EXAMPLE,
  readChannels,
} from "../../src/channel/example.ts";
import { VIEW_NAMES } from "../../src/channel/view.ts";
import { eventJson, type LogEvent } from "../../src/record/log_event.ts";
import { TempFolder } from "../support/temp.ts";
import { channel, linesOf, status } from "./support.ts";

Deno.test("the example and the names of expressions are those of an event", () => {
  const event: LogEvent = {
    id: "acme/car_1/1/1",
    at: 0,
    car: "car_1",
    session: null,
    device: { module: 1, deviceType: 1, deviceRole: "role", deviceName: "name", priority: 0 },
    counter: null,
    kind: "status.accepted",
    payload: new Uint8Array(),
    data: {},
  };
  const json = eventJson(event);
  assert.deepEqual(Object.keys(EXAMPLE), Object.keys(json));
  assert.deepEqual(Object.keys(EXAMPLE.device ?? {}), Object.keys(json.device ?? {}));
  assert.deepEqual(VIEW_NAMES, [...Object.keys(json), "decoded"]);
});

const problems = async (
  channels: readonly ChannelConfig[],
  decoders: Readonly<Record<string, DecoderConfig>> = {},
) => {
  const found = await checkChannels({ channels, decoders });
  return found.map(({ path, message, isWarning }) =>
    `${isWarning ? "?" : "!"} ${path}: ${message}`
  );
};

Deno.test("checkChannels() names channel, key and place of what cannot be used", async () => {
  const json = { 7: { kind: "json" } } as const;
  assert.deepEqual(await problems([channel("a", { where: "counter > 0", map: "id" })]), []);
  assert.deepEqual(await problems([channel("a", { where: "cuonter > 0", map: "{" })]), [
    "! channels.a.where: Expected an expression that can be used: at character 1: Unknown variable: cuonter",
    '! channels.a.map: Expected an expression that can be used: at character 2: Expected ":" before end of expression',
  ]);
  const where = channel("a", { where: "decoded.speed > 1.0" });
  assert.deepEqual(await problems([where], json), [
    '? channels.a.where: Not tried: give the channel an "example" that has it: at character 9: No such key: speed',
  ]);
  const example = (given: Record<string, unknown>) => ({ ...where, example: given });
  assert.deepEqual(await problems([example({ decoded: { speed: 2 } })], json), []);
  assert.deepEqual(await problems([example({ payload: { text: '{"speed":2}' } })], json), []);
  assert.deepEqual(await problems([example({ decoded: {} })], json), [
    "! channels.a.where: Expected an expression that can be used: at character 9: No such key: speed",
  ]);
  assert.deepEqual(
    await problems([example({ payload: { text: "no JSON" } })], json).then((all) =>
      all.map((one) => one.slice(0, 106))
    ),
    [
      "! channels.a.where: Expected an expression that can be used: the payload of the example cannot be decoded:",
    ],
  );
});

/** A set of descriptors, as protoc writes it. */
function descriptorSet(): Uint8Array {
  const root = protobuf.Root.fromJSON({
    nested: {
      acme: {
        nested: {
          Status: {
            fields: {
              speed: { type: "double", id: 1 },
              mode: { type: "Mode", id: 2 },
              meters: { type: "int64", id: 3 },
              doorOpen: { type: "bool", id: 4 },
            },
          },
          Command: { fields: { stop: { type: "bool", id: 1 } } },
          Mode: { values: { IDLE: 0, DRIVING: 1 } },
        },
      },
    },
  });
  root.resolveAll();
  const set = root.toDescriptor("proto3");
  return descriptor.FileDescriptorSet.encode(set).finish();
}

Deno.test("checkChannels() looks for the messages of a descriptor file", async () => {
  await using folder = await TempFolder.make();
  const file = folder.file("bus.desc");
  await Deno.writeFile(file, descriptorSet());
  const decoder = (
    messages: Record<string, string>,
    descriptorFile = file,
  ): Record<string, DecoderConfig> => ({
    7: { kind: "protobuf", descriptorFile, messages, commands: {} },
  });
  const all = [channel("a")];
  assert.deepEqual(await problems(all, decoder({ 1: "acme.Status" })), []);
  assert.deepEqual(await problems(all, decoder({ 1: "acme.Statsu" })), [
    '! decoders.7.messages.1: Expected a message of the descriptor file: found "acme.Statsu"',
  ]);
  const text = await folder.write("text.proto", "this is no descriptor");
  const [wrong] = await problems(all, decoder({ 1: "acme.Status" }, text));
  assert.match(wrong ?? "", /^! decoders\.7\.descriptor_file: Expected a set of descriptors/);
  const [missing] = await problems(all, decoder({ 1: "acme.Status" }, folder.file("none")));
  assert.match(missing ?? "", /^! decoders\.7\.descriptor_file: Expected a readable file/);
});

Deno.test("payloads are decoded as their module and device type have it", async () => {
  await using folder = await TempFolder.make();
  const descriptorFile = folder.file("bus.desc");
  await Deno.writeFile(descriptorFile, descriptorSet());
  const settings = await readChannels({
    channels: [channel("all", { map: "$exists(decoded) ? decoded : 'none'" })],
    decoders: {
      1: {
        kind: "protobuf",
        descriptorFile,
        messages: { 3: "acme.Status" },
        commands: { 3: "acme.Command" },
      },
      2: { kind: "text" },
      3: { kind: "base64" },
    },
  });
  const bytes = Uint8Array.of(
    9,
    0,
    0,
    0,
    0,
    0,
    0,
    248,
    63,
    16,
    1,
    24,
    255,
    255,
    255,
    255,
    255,
    255,
    255,
    127,
  );
  const base64 = (from: Uint8Array) => btoa(String.fromCharCode(...from));
  const at = (module: number, type = 3) => ({ device: { module, type, role: "r", name: "n" } });
  const raw = { payload: { base64: base64(bytes) } };
  const events = [
    status(1, {}, { ...at(1), ...raw }),
    status(2, {}, { ...at(1), payload: { text: "\b\u0001" }, kind: "command.sent" }),
    status(3, {}, { ...at(1, 4), ...raw }),
    status(4, {}, { ...at(1), ...raw, kind: "status.error" }),
    status(5, "é", at(2)),
    status(6, "é", at(3)),
    status(7, {}, { ...at(3), ...raw }),
    status(8, {}, at(4)),
    status(9, {}, { ...at(2), ...raw }),
  ];
  const { bodies } = await (await Channels.make(settings)).evaluate(linesOf(events), "delivered");
  assert.deepEqual(bodies.map((body) => JSON.parse(String(body))), [
    { speed: 1.5, mode: "DRIVING", meters: "72057594037927935", doorOpen: false },
    { stop: true },
    "none",
    "none",
    '"é"',
    base64(new TextEncoder().encode('"é"')),
    base64(bytes),
    "none",
    null,
  ]);
});
