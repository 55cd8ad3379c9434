// Structs of the C interface, byte by byte.
import assert from "node:assert/strict";
import {
  CallArguments,
  CommandBuffers,
  ConfigArgument,
  contextArgument,
  outcomeOf,
} from "../../src/module/host/c_abi.ts";
import { DeviceData } from "../../src/module/wire/device_data.ts";
import { FrameWriter } from "../../src/module/wire/frame_writer.ts";
import { FrameKind, HEADER_BYTES } from "../../src/module/wire/frames.ts";
import type { Device } from "../../src/protocol/messages.ts";
import { DEVICE } from "./support.ts";

/** A device and data in the layout of frames, not at the beginning of their bytes. */
function deviceData(device: Device, data: Uint8Array): DeviceData {
  const out = new FrameWriter();
  out.deviceFrame(FrameKind.FORWARD_STATUS, 0, 0, device, data);
  const bytes = out.take();
  return new DeviceData().read(bytes, new DataView(bytes.buffer), HEADER_BYTES, bytes.length);
}

/** What a `struct buffer` points to. */
function bytesAt(view: DataView, offset: number): Uint8Array {
  const pointer = Deno.UnsafePointer.create(view.getBigUint64(offset, true));
  const size = Number(view.getBigUint64(offset + 8, true));
  if (pointer === null || size === 0) return new Uint8Array();
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, size)).slice();
}

function textAt(view: DataView, offset: number): string {
  return new TextDecoder().decode(bytesAt(view, offset));
}

/** Writes a `struct buffer` that points to some bytes. */
function point(target: Uint8Array<ArrayBuffer>, offset: number, bytes: Uint8Array<ArrayBuffer>) {
  const view = new DataView(target.buffer, target.byteOffset);
  view.setBigUint64(offset, Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)), true);
  view.setBigUint64(offset + 8, BigInt(bytes.length), true);
}

Deno.test("outcomeOf() names return codes [MODULE-CODES]", () => {
  const codes = [0, -1, -10, -11, -12, 1, -2, -13];
  assert.deepEqual(codes.map(outcomeOf), [
    ...["ok", "not_ok", "reserved", "context_incorrect", "timeout_occurred"],
    ...["unknown_code", "unknown_code", "unknown_code"],
  ]);
});

Deno.test("CallArguments are laid out as the C structs are [MODULE-ABI]", () => {
  const args = new CallArguments();
  args.set(deviceData({ ...DEVICE, module: -7, priority: 5 }, Uint8Array.of(1, 2, 3)));
  assert.deepEqual([args.data.length, args.device.length], [16, 48]);
  const device = new DataView(args.device.buffer);
  assert.equal(device.getInt32(0, true), -7);
  assert.equal(device.getUint32(4, true), 1);
  assert.equal(textAt(device, 8), "front");
  assert.equal(textAt(device, 24), "door");
  assert.equal(device.getUint32(40, true), 0, "modules always see priority 0");
  assert.deepEqual(bytesAt(new DataView(args.data.buffer), 0), Uint8Array.of(1, 2, 3));
});

Deno.test("CallArguments take large data, and are the same for the next call", () => {
  const args = new CallArguments();
  const data = new DataView(args.data.buffer);
  const device = new DataView(args.device.buffer);
  // The texts take 9 bytes of what is kept: 4096.
  for (const size of [4096 - 9, 4096 - 8, 5_000_000, 0]) {
    const bytes = new Uint8Array(size).fill(size % 251);
    args.set(deviceData(DEVICE, bytes));
    assert.deepEqual(bytesAt(data, 0), bytes);
    assert.deepEqual([textAt(device, 8), textAt(device, 24)], ["front", "door"]);
    args.release();
  }
});

Deno.test("CommandBuffers copy what a module has allocated into the layout of frames", () => {
  const command = new CommandBuffers();
  assert.deepEqual([command.data.length, command.device.length], [16, 48]);
  const encoder = new TextEncoder();
  const [data, role, name] = ["go", "r\u00f4le", "n"].map((text) => encoder.encode(text));
  assert.ok(data && role && name);
  point(command.data, 0, data);
  const view = new DataView(command.device.buffer);
  view.setInt32(0, -7, true);
  view.setUint32(4, 0xffffffff, true);
  point(command.device, 8, role);
  point(command.device, 24, name);
  assert.equal(command.byteLength, 16 + 5 + 1 + 2);
  const bytes = new Uint8Array(command.byteLength + 3);
  command.copyTo(bytes.subarray(3));
  const read = new DeviceData().read(bytes, new DataView(bytes.buffer), 3, bytes.length);
  assert.deepEqual(read.device, {
    module: -7,
    deviceType: 0xffffffff,
    deviceRole: "r\u00f4le",
    deviceName: "n",
    priority: 0,
  });
  assert.deepEqual(read.data, data);
});

Deno.test("CommandBuffers give back what is not NULL, and are empty then [MODULE-MEMORY]", () => {
  const command = new CommandBuffers();
  const given: string[] = [];
  const library = {
    deallocate: (buffer: Uint8Array<ArrayBuffer>) => {
      assert.equal(buffer.length, 16);
      given.push(textAt(new DataView(buffer.buffer, buffer.byteOffset), 0));
    },
  };
  // Sizes without a pointer are nothing.
  new DataView(command.data.buffer).setBigUint64(8, 5n, true);
  new DataView(command.device.buffer).setBigUint64(16, 5n, true);
  assert.equal(command.byteLength, 16);
  command.giveBack(library);
  assert.deepEqual(given, []);
  const [data, role, name] = ["data", "role", "name"].map((text) => new TextEncoder().encode(text));
  assert.ok(data && role && name);
  point(command.data, 0, data);
  point(command.device, 8, role);
  point(command.device, 24, name);
  command.giveBack(library);
  assert.deepEqual(given, ["data", "role", "name"]);
  assert.deepEqual([...command.data, ...command.device].filter((byte) => byte !== 0), []);
  // An address may have nothing but zeros in one half of it.
  for (const address of [0x1_0000_0000n, 1n]) {
    const half = new CommandBuffers();
    new DataView(half.data.buffer).setBigUint64(0, address, true);
    new DataView(half.data.buffer).setBigUint64(8, 0x2_0000_0003n, true);
    assert.equal(half.byteLength, 16 + 0x2_0000_0003);
  }
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

Deno.test("contextArgument() points to the context [MODULE-ABI]", () => {
  const context = Deno.UnsafePointer.create(0x1234_5678_9abcn);
  assert.ok(context);
  assert.equal(
    new DataView(contextArgument(context).buffer).getBigUint64(0, true),
    0x1234_5678_9abcn,
  );
});
