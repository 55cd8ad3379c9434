// The internal server over real sockets: every rule, however the network cuts what devices send.
import assert from "node:assert/strict";
import {
  type CloseReason,
  INTERNAL_SERVER_LIMITS,
  INTERNAL_SERVER_SETTINGS,
  InternalServer,
  type InternalServerSettings,
} from "../../src/internal_server/mod.ts";
import { ListenError } from "../../src/net/mod.ts";
import { encodeDeviceMessage, frameOf } from "../../src/protocol/codec/mod.ts";
import { DeviceConnectResponseType as Type } from "../../src/protocol/mod.ts";
import type { Cut } from "../internal_client/scripted_gateway.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { ScriptedDevice, Stage } from "./scripted_device.ts";
import { BETTER_BUTTON, BUTTON, bytes, LAMP, OTHER_BUTTON, WORSE_BUTTON } from "./support.ts";

const CUTS: readonly Cut[] = ["whole", "byte by byte", "header apart"];

/** One rule, played on a stage of its own for each cut. */
interface Rule {
  readonly rule: string;
  readonly settings?: Partial<InternalServerSettings>;
  readonly play: (stage: Stage) => Promise<void>;
}

/** The server has closed the connection for this reason, and has sent nothing that is not awaited. */
async function assertClosed(stage: Stage, device: ScriptedDevice, reason: CloseReason) {
  await device.closed;
  assert.equal(stage.server.statistics.closed[reason], 1, reason);
  assert.equal(device.unread, 0);
}

async function assertRefused(stage: Stage, device: ScriptedDevice, type: number, like = BUTTON) {
  assert.deepEqual(await device.next(), {
    kind: "device_connect_response",
    type,
    device: like,
  });
  await device.closed;
  await waitFor(() => stage.server.statistics.connections <= 1, "the connection to be forgotten");
}

const RULES: readonly Rule[] = [
  {
    rule: "S1: a connection without a Connect is closed",
    play: async (stage) => {
      const device = await stage.open();
      stage.clock.pass(9_999);
      assert.equal(stage.server.statistics.connections, 1);
      stage.clock.pass(1);
      await assertClosed(stage, device, "no_connect");
    },
  },
  {
    rule: "S1: what others say moves no deadline",
    play: async (stage) => {
      const silent = await stage.open();
      const device = await stage.connected(BUTTON);
      await device.status(BUTTON, "on");
      await stage.answer("go");
      await device.command();
      stage.clock.pass(10_000);
      await assertClosed(stage, silent, "no_connect");
    },
  },
  {
    rule: "S2: a frame that does not become whole closes its connection",
    play: async (stage) => {
      const device = await stage.connected(BUTTON);
      await device.raw(Uint8Array.of(200, 0));
      await waitFor(() => stage.server.statistics.heldBytes === 2, "half a header");
      stage.clock.pass(4_999);
      await device.raw(Uint8Array.of(0, 0, 8));
      await waitFor(() => stage.server.statistics.heldBytes === 1, "the first byte of a body");
      stage.clock.pass(1);
      await assertClosed(stage, device, "frame_timeout");
      await stage.asked("disconnected");
    },
  },
  {
    rule: "S3: a length of 0 closes the connection",
    play: async (stage) => {
      const device = await stage.connected(BUTTON);
      await device.raw(new Uint8Array(4));
      await assertClosed(stage, device, "malformed");
      assert.equal(stage.log.matching(/expected a length of 1 to .* bytes: got 0$/).length, 1);
    },
  },
  {
    rule: "S3: what cannot be decoded closes the connection",
    play: async (stage) => {
      const device = await stage.open();
      await device.raw(frameOf(Uint8Array.of(255, 255, 255)));
      await assertClosed(stage, device, "malformed");
    },
  },
  {
    rule: "S3: a message of neither kind closes the connection",
    play: async (stage) => {
      const device = await stage.open();
      await device.raw(frameOf(Uint8Array.of(0x18, 1)));
      await assertClosed(stage, device, "malformed");
    },
  },
  {
    rule: "S4: a length above the limit closes the connection",
    play: async (stage) => {
      const device = await stage.open();
      await device.raw(Uint8Array.of(1, 0, 16, 0));
      await assertClosed(stage, device, "malformed");
    },
  },
  {
    rule: "S5: a status before the Connect closes the connection",
    play: async (stage) => {
      const device = await stage.open();
      await device.status(BUTTON, "early");
      await assertClosed(stage, device, "not_connected");
      assert.equal(stage.unasked, 0);
    },
  },
  {
    rule: "S6: a second Connect closes the connection",
    play: async (stage) => {
      const device = await stage.connected(BUTTON);
      await device.connect(BUTTON);
      await assertClosed(stage, device, "connected_twice");
      await stage.asked("disconnected");
    },
  },
  {
    rule: "S7: a Connect registers its device at once; S8: the same one is refused",
    play: async (stage) => {
      const first = await stage.open();
      await first.connect(BUTTON);
      const { device, request } = await stage.asked("connected");
      const second = await stage.open();
      await second.connect(OTHER_BUTTON);
      await assertRefused(stage, second, Type.ALREADY_CONNECTED, OTHER_BUTTON);
      stage.server.answerConnect(device, request, Type.OK);
      assert.equal((await first.next()).kind, "device_connect_response");
      assert.equal(stage.unasked, 0);
    },
  },
  {
    rule: "S9: a device of lower priority is refused",
    play: async (stage) => {
      await stage.connected(BUTTON);
      const worse = await stage.open();
      await worse.connect(WORSE_BUTTON);
      await assertRefused(stage, worse, Type.HIGHER_PRIORITY_ALREADY_CONNECTED, WORSE_BUTTON);
    },
  },
  {
    rule: "S10: a device of higher priority replaces the one that is registered",
    play: async (stage) => {
      const old = await stage.connected(BUTTON);
      const better = await stage.open();
      await better.connect(BETTER_BUTTON);
      assert.deepEqual((await stage.asked("disconnected")).device, BUTTON);
      await stage.admit();
      await better.next();
      await assertClosed(stage, old, "replaced");
    },
  },
  {
    rule: "S11: answers repeat all fields of the device; S13: they go to who asked",
    play: async (stage) => {
      const button = await stage.connected(OTHER_BUTTON);
      const lamp = await stage.connected(LAMP);
      await button.status(OTHER_BUTTON, "pressed");
      const asked = await stage.asked("status");
      await lamp.status(LAMP, "lit");
      assert.equal(await stage.answer("off"), "lit");
      assert.equal(await lamp.command(), "off");
      stage.server.answerStatus(BUTTON, asked.request, bytes("light"));
      assert.deepEqual(await button.next(), {
        kind: "device_command",
        device: OTHER_BUTTON,
        commandData: bytes("light"),
      });
    },
  },
  {
    rule: "S12: nothing is read before the answer; it takes up what came meanwhile",
    play: async (stage) => {
      const device = await stage.connected(BUTTON);
      const status = (data: string) =>
        ({ kind: "device_status", device: BUTTON, statusData: bytes(data) }) as const;
      await device.send(status("1"), status("2"), status("3"));
      const { request } = await stage.asked("status");
      assert.equal(stage.unasked, 0);
      stage.server.answerStatus(BUTTON, request, bytes("one"));
      assert.equal(await device.command(), "one");
      assert.equal(await stage.answer("two"), "2");
      assert.equal(await device.command(), "two");
      assert.equal(await stage.answer("three"), "3");
      assert.equal(await device.command(), "three");
    },
  },
  {
    rule: "S12: an answer that is too late closes the connection, and counts for its module",
    play: async (stage) => {
      const device = await stage.connected(BUTTON);
      await device.status(BUTTON, "slow");
      const { request } = await stage.asked("status");
      stage.clock.pass(250);
      await assertClosed(stage, device, "answer_timeout");
      await stage.asked("disconnected");
      stage.server.answerStatus(BUTTON, request, bytes("late"));
      assert.deepEqual(stage.server.statistics.slowAnswers, { 1000: 1 });
      assert.equal(stage.server.statistics.lateAnswers, 1);
      assert.equal(
        stage.log.matching(/module 1000 has not answered its status for 250 ms/).length,
        1,
      );
    },
  },
  ...[Type.MODULE_NOT_SUPPORTED, Type.DEVICE_NOT_SUPPORTED].map((type): Rule => ({
    rule: `S14: a refused device gets its answer, and may come again (${type})`,
    play: async (stage) => {
      const device = await stage.open();
      await device.connect(BUTTON);
      await stage.admit(type);
      await assertRefused(stage, device, type);
      await stage.connected(BUTTON);
      assert.equal(stage.unasked, 0);
    },
  })),
  {
    rule: "S14: a refused device that does not close is closed",
    play: async (stage) => {
      const device = await stage.open();
      device.lingers = true;
      await device.connect(BUTTON);
      await stage.admit(Type.DEVICE_NOT_SUPPORTED);
      await device.next();
      await device.ended;
      stage.clock.pass(999);
      assert.equal(stage.server.statistics.connections, 1);
      stage.clock.pass(1);
      assert.equal(stage.server.statistics.connections, 0);
    },
  },
  {
    rule: "S15: a device that closes is reported",
    play: async (stage) => {
      const device = await stage.connected(BUTTON);
      device.close();
      assert.deepEqual((await stage.asked("disconnected")).device, BUTTON);
      assert.equal(stage.server.statistics.closed.peer_closed, 1);
    },
  },
  {
    rule: "S16: a device that the module handler declares dead is closed and reported",
    play: async (stage) => {
      const device = await stage.connected(BUTTON);
      stage.server.dead(BUTTON);
      await assertClosed(stage, device, "dead");
      await stage.asked("disconnected");
    },
  },
  {
    rule: "S17: devices without answers delay nobody",
    play: async (stage) => {
      for (const role of ["a", "b", "c"]) {
        const slow = { ...BUTTON, deviceRole: role };
        await (await stage.connected(slow)).status(slow, "slow");
        await stage.asked("status");
      }
      const lamp = await stage.connected(LAMP);
      await lamp.status(LAMP, "lit");
      await stage.answer("at once");
      assert.equal(await lamp.command(), "at once");
    },
  },
  {
    rule: "S18: probe: a device takes over from its own silent connection",
    settings: { takeover: "probe" },
    play: async (stage) => {
      const old = await stage.connected(BUTTON);
      stage.clock.pass(2_001);
      const again = await stage.open();
      await again.connect(OTHER_BUTTON);
      assert.deepEqual((await stage.asked("disconnected")).device, BUTTON);
      assert.deepEqual(await stage.admit(), OTHER_BUTTON);
      await again.next();
      await assertClosed(stage, old, "replaced");
    },
  },
  {
    rule: "S18: strict: a silent connection stays registered",
    play: async (stage) => {
      await stage.connected(BUTTON);
      stage.clock.pass(3_600_000);
      const again = await stage.open();
      await again.connect(BUTTON);
      await assertRefused(stage, again, Type.ALREADY_CONNECTED);
    },
  },
  {
    rule: "an unasked command follows the answer that is under way",
    play: async (stage) => {
      const device = await stage.connected(BUTTON);
      await device.status(BUTTON, "on");
      const { request } = await stage.asked("status");
      stage.server.push(BUTTON, bytes("unasked"));
      stage.server.answerStatus(BUTTON, request, bytes("asked"));
      assert.equal(await device.command(), "asked");
      assert.equal(await device.command(), "unasked");
    },
  },
  {
    rule: "connections above the limit are closed",
    settings: { limits: { ...INTERNAL_SERVER_LIMITS, maxConnections: 1 } },
    play: async (stage) => {
      const first = await stage.connected(BUTTON);
      await assertClosed(stage, await stage.open(), "connection_limit");
      await first.status(BUTTON, "on");
      await stage.answer("still here");
      assert.equal(await first.command(), "still here");
    },
  },
];

for (const cut of CUTS) {
  for (const { rule, settings, play } of RULES) {
    Deno.test(`${rule} (segments: ${cut})`, async () => {
      await using stage = await Stage.start(cut, settings);
      await play(stage);
    });
  }
}

Deno.test("a device that reads nothing loses its connection before memory fills", async () => {
  const limits = { ...INTERNAL_SERVER_LIMITS, maxUnsentBytes: 100_000 };
  await using stage = await Stage.start("whole", { limits });
  // The system's buffers take some megabytes before anything waits here.
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: stage.port });
  using _ = conn;
  const connect = encodeDeviceMessage({ kind: "device_connect", device: BUTTON });
  await conn.write(frameOf(connect));
  await stage.admit();
  const command = new Uint8Array(50_000);
  await waitFor(() => {
    stage.server.push(BUTTON, command);
    return stage.server.statistics.closed.unread_answers === 1;
  }, "the connection to be closed");
  await stage.asked("disconnected");
});

Deno.test("a Unix socket serves as a port does, and its file is replaced and removed", async () => {
  await using folder = await TempFolder.make();
  const path = folder.file("devices.sock");
  // Left behind: the runtime does not remove the file of a socket.
  Deno.listen({ transport: "unix", path }).close();
  {
    await using stage = await Stage.start("whole", {}, { path });
    const device = await stage.connected(BUTTON, path);
    await device.status(BUTTON, "on");
    await stage.answer("go");
    assert.equal(await device.command(), "go");
    await assert.rejects(
      Stage.start("whole", {}, { path }),
      new ListenError(
        `Cannot listen for devices on "${path}": the file exists; end what listens there, or take another`,
      ),
    );
  }
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("a server that has stopped listens no more", async () => {
  await using stage = await Stage.start();
  await stage.server.stop();
  await assert.rejects(
    stage.server.listen({ host: "127.0.0.1", port: 0 }),
    new ListenError("Cannot listen for devices: the internal server has stopped"),
  );
});

Deno.test("a module handler that throws has not answered, and is reported", async () => {
  const [log, clock] = [new ListLog(), new VirtualClock()];
  const fail = () => {
    throw new Error("no module");
  };
  const handler = { onConnected: fail, onStatus: fail, onDisconnected: fail };
  const server = new InternalServer({ settings: INTERNAL_SERVER_SETTINGS, handler, log, clock });
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 }) as Deno.NetAddr;
  const device = new ScriptedDevice(await Deno.connect({ hostname: "127.0.0.1", port }), "whole");
  await device.connect(BUTTON);
  await waitFor(() => server.statistics.devices === 1, "the device to be registered");
  clock.pass(250);
  await device.closed;
  assert.deepEqual(log.texts("ERROR"), ["The module handler failed: Error: no module"]);
  await server.stop();
});

Deno.test("a port that is taken is named", async () => {
  await using stage = await Stage.start();
  await assert.rejects(
    Stage.start("whole", {}, { host: "127.0.0.1", port: stage.port }),
    new ListenError(
      `Cannot listen for devices on "127.0.0.1:${stage.port}": the port is in use; ` +
        "end what listens there, or take another",
    ),
  );
});

Deno.test("an address is free again once the server on it has stopped", async () => {
  for (let round = 0, port = 0; round < 3; round++) {
    await using stage = await Stage.start("whole", {}, { host: "127.0.0.1", port });
    ({ port } = stage);
    const device = await stage.connected(BUTTON);
    await stage.server.stop();
    await device.closed;
  }
});
