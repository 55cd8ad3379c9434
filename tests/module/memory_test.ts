// What native calls are given must stay where it is until they have returned.
import assert from "node:assert/strict";
import { CallArguments, ConfigArgument } from "../../src/module/host/c_abi.ts";
import { HostServer } from "../../src/module/host/host_server.ts";
import { NativeModule } from "../../src/module/host/native_module.ts";
import { FrameReader } from "../../src/module/wire/frame_reader.ts";
import { FrameWriter } from "../../src/module/wire/frame_writer.ts";
import { FrameKind } from "../../src/module/wire/frames.ts";
import { Link } from "../../src/module/wire/link.ts";
import { CALL_OUTCOMES } from "../../src/protocol/module_interface.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { duplexPair } from "./duplex_pair.ts";
import { DEVICE, fixtures, recorded } from "./support.ts";

/** What waits may take while garbage is collected without a pause, on a busy machine. */
const PRESSED_MS = 60_000;

/** Makes garbage until the collector has surely run several times. */
function pressGarbageCollector(): void {
  for (let i = 0; i < 100; i++) new Uint8Array(1024 * 1024).fill(i);
}

Deno.test({
  name: "A call's arguments survive garbage collection while it runs [MODULE-ABI]",
  // A host never unloads a library, and here the host is this process.
  sanitizeResources: false,
  fn: async () => {
    await using folder = await TempFolder.make();
    const record = folder.file("record");
    const outcomes: string[] = [];
    const created = Promise.withResolvers<void>();
    const destroyed = Promise.withResolvers<void>();
    const [near, far] = duplexPair();
    // The host in this very process, so that the pressure is on the heap its arguments live in.
    const server = new HostServer(far, {
      moduleCallTimeoutMs: 30_000,
      load: NativeModule.load,
      memory: { onChange() {}, stop() {} },
    });
    const link = new Link(near, {
      onFrame(frame) {
        if (frame.kind === FrameKind.CREATED) created.resolve();
        if (frame.kind === FrameKind.DONE) outcomes.push(CALL_OUTCOMES[frame.argument] ?? "?");
        if (frame.kind === FrameKind.DESTROYED) destroyed.resolve();
      },
      onClosed() {},
    });
    server.start();
    link.start();
    const parameters = [["car_name", "car_a"], ["record", record], ["forward_status_ms", "20"]];
    link.out.begin(FrameKind.CREATE, 0);
    link.out.text(
      JSON.stringify({ module: 1000, libPath: fixtures.module, parameters, waitTimeoutMs: 50 }),
    );
    link.out.end();
    link.flush();
    await waitFor(created.promise, "the context");
    const sent: string[] = [];
    for (let i = 0; i < 20; i++) {
      const text = `${i} `.padEnd(60 + i * 5, "abcdefghij");
      sent.push(text);
      link.out.deviceFrame(FrameKind.FORWARD_STATUS, 0, 0, DEVICE, new TextEncoder().encode(text));
    }
    link.flush();
    await waitFor(
      () => {
        pressGarbageCollector();
        return outcomes.length === sent.length;
      },
      "the calls",
      PRESSED_MS,
    );
    assert.deepEqual(new Set(outcomes), new Set(["ok"]));
    const seen = await recorded(record, "forward_status");
    assert.deepEqual(
      seen,
      sent.map((text) => `forward_status 1000/1/front/door/0 ${text.length} ${text}`),
    );
    link.out.numberFrame(FrameKind.DESTROY, 0, 0, 5000);
    link.flush();
    await waitFor(destroyed.promise, "the context to be destroyed");
    link.close();
    await waitFor(server.closed, "the host to end");
  },
});

Deno.test("CallArguments are laid out as the C structs are [MODULE-ABI]", () => {
  const out = new FrameWriter();
  const about = { ...DEVICE, module: -7, priority: 5 };
  out.deviceFrame(FrameKind.FORWARD_STATUS, 0, 0, about, Uint8Array.of(1, 2, 3));
  const bytes = out.take();
  const reader = new FrameReader();
  reader.room.set(bytes);
  const args = new CallArguments();
  reader.received(bytes.length, { onFrame: (frame) => args.set(frame.deviceData()) });
  assert.equal(args.data.length, 16);
  assert.equal(args.device.length, 48);
  const device = new DataView(args.device.buffer);
  assert.equal(device.getInt32(0, true), -7);
  assert.equal(device.getUint32(4, true), 1);
  assert.equal(textAt(device, 8), "front");
  assert.equal(textAt(device, 24), "door");
  assert.equal(device.getUint32(40, true), 0, "modules always see priority 0");
  assert.equal(textAt(new DataView(args.data.buffer), 0), "\x01\x02\x03");
});

Deno.test("ConfigArgument lists keys and values in order [MODULE-CONFIG]", () => {
  const parameters = [["company_name", "acme"], ["car_name", "v\u00e9lo"], ["empty", ""]] as const;
  const argument = new ConfigArgument(parameters);
  const view = new DataView(argument.config.buffer);
  assert.equal(view.getBigUint64(8, true), 3n);
  const table = Deno.UnsafePointer.create(view.getBigUint64(0, true));
  assert.ok(table);
  const pairs = new DataView(Deno.UnsafePointerView.getArrayBuffer(table, 3 * 32));
  assert.deepEqual(
    [0, 1, 2].map((i) => [textAt(pairs, i * 32), textAt(pairs, i * 32 + 16)]),
    parameters.map((pair) => [...pair]),
  );
  assert.equal(argument.config.length, 16, "the argument is referenced up to here");
});

/** What a `struct buffer` points to. */
function textAt(view: DataView, offset: number): string {
  const pointer = Deno.UnsafePointer.create(view.getBigUint64(offset, true));
  const size = Number(view.getBigUint64(offset + 8, true));
  if (pointer === null || size === 0) return "";
  return new TextDecoder().decode(Deno.UnsafePointerView.getArrayBuffer(pointer, size).slice(0));
}
