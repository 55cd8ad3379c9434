// Whatever bytes come, however they are cut: the internal server stands, and answers who asked.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { INTERNAL_SERVER_SETTINGS, InternalServer } from "../../src/internal_server/mod.ts";
import { concatenate, type Link, type LinkListener } from "../../src/net/mod.ts";
import {
  decodeGatewayMessage,
  encodeDeviceMessage,
  frameOf,
  FrameReader,
} from "../../src/protocol/codec/mod.ts";
import { type Device, type DeviceMessage, sameDevice } from "../../src/protocol/mod.ts";
import { ListLog } from "../support/list_log.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { BETTER_BUTTON, BUTTON, bytes, LAMP, text, WORSE_BUTTON } from "./support.ts";

/** A link whose other end is the test; nothing arrives while it is paused. */
class TestLink implements Link {
  readonly unsentBytes = 0;
  readonly sent: Uint8Array[] = [];
  closed = false;
  #listener: LinkListener | undefined;
  #paused = false;
  #incoming: Uint8Array[] = [];

  start(listener: LinkListener): void {
    this.#listener = listener;
  }
  write(data: Uint8Array): void {
    this.sent.push(data);
    this.#listener?.onDrained?.();
  }
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
  }
  end(): void {}
  destroy(error?: Error): void {
    if (this.closed) return;
    this.closed = true;
    this.#listener?.onClosed(error);
  }

  /** Bytes come; the buffer is overwritten after the call. */
  arrive(data: Uint8Array): void {
    this.#incoming.push(data);
    this.read();
  }
  read(): void {
    while (!this.#paused && !this.closed) {
      const next = this.#incoming.shift();
      if (next === undefined) return;
      const buffer = new Uint8Array(next);
      this.#listener?.onData(buffer);
      buffer.fill(0xff);
    }
  }
}

const device = fc.constantFrom(BUTTON, BETTER_BUTTON, WORSE_BUTTON, LAMP);
const good: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("device_connect" as const), device }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("device_status" as const),
      device,
      statusData: fc.nat(99).map((n) => bytes(`${n}`)),
    }),
  },
).map((message: DeviceMessage) => frameOf(encodeDeviceMessage(message)));
const bad: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.uint8Array({ minLength: 1, maxLength: 20 }).map(frameOf),
);
const stream = fc.tuple(
  device,
  fc.array(fc.oneof({ weight: 12, arbitrary: good }, { weight: 1, arbitrary: bad }), {
    maxLength: 12,
  }),
  fc.infiniteStream(fc.integer({ min: 1, max: 60 })),
).map(([first, frames, cuts]) => {
  const connect = frameOf(encodeDeviceMessage({ kind: "device_connect", device: first }));
  const all = concatenate([connect, ...frames]);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < all.length;) {
    const size = Number(cuts.next().value);
    pieces.push(all.subarray(at, at + size));
    at += size;
  }
  return pieces;
});

interface Question {
  readonly kind: "connected" | "status";
  readonly device: Device;
  readonly request: number;
  readonly data: string;
}

Deno.test("no bytes, however cut, make the server throw, wait for ever, or answer another device", () => {
  fc.assert(fc.property(
    fc.array(stream, { minLength: 1, maxLength: 4 }),
    fc.infiniteStream(fc.nat(99)),
    // Whether the module handler answers within the call that asks it.
    fc.boolean(),
    (streams, chance, isAtOnce) => {
      const clock = new VirtualClock();
      const log = new ListLog();
      const questions: Question[] = [];
      const ask = (kind: Question["kind"], of: Device, request: number, data = "") => {
        const question = { kind, device: of, request, data };
        if (isAtOnce) answer(question);
        else questions.push(question);
      };
      const known = new Set<Device>();
      const server = new InternalServer({
        settings: INTERNAL_SERVER_SETTINGS,
        log,
        clock,
        handler: {
          onConnected: (of, request) => (known.add(of), ask("connected", of, request)),
          onStatus: (of, data, request) => ask("status", of, request, text(data)),
          onDisconnected: (of) => assert.ok(known.delete(of)),
        },
      });
      const answer = ({ kind, device: of, request, data }: Question) => {
        if (kind === "connected") server.answerConnect(of, request, 0);
        else server.answerStatus(of, request, bytes(`${of.deviceName} ${data}`));
      };
      const links = streams.map(() => new TestLink());
      for (const link of links) server.take(link, "a test");
      const left = streams.map((pieces) => [...pieces]);
      for (const dice of chance) {
        const at = dice % left.length;
        const piece = left[at]?.shift();
        if (piece !== undefined) links[at]?.arrive(piece);
        if (dice % 3 !== 0) {
          const question = questions.shift();
          if (question !== undefined) answer(question);
        }
        if (dice === 99) clock.pass(100);
        for (const link of links) link.read();
        if (left.every((pieces) => pieces.length === 0) && questions.length === 0) break;
      }
      clock.pass(60_000);
      // Those that are connected and silent may stay: nothing is awaited of them.
      assert.equal(server.statistics.connections, server.statistics.devices);
      assert.equal(server.statistics.connections, links.filter(({ closed }) => !closed).length);
      assert.equal(server.statistics.heldBytes, 0);
      assert.equal(clock.timers, 0);
      assert.deepEqual(log.matching(/module handler failed/), []);
      for (const { sent } of links) {
        const messages = [...new FrameReader(2 ** 20).take(concatenate(sent))]
          .map(decodeGatewayMessage);
        const [first] = messages;
        for (const message of messages) {
          assert.ok(first && sameDevice(message.device, first.device));
          assert.equal(message.device.priority, first.device.priority);
          if (message.kind !== "device_command") continue;
          assert.match(text(message.commandData), new RegExp(`^${message.device.deviceName} `));
        }
      }
      void server.stop();
      assert.equal(known.size, 0);
    },
  ));
});
