// What native calls are given must stay where it is until they have returned.
import assert from "node:assert/strict";
import { HostServer } from "../../src/module/host/host_server.ts";
import { NativeModule } from "../../src/module/host/native_module.ts";
import { FrameKind } from "../../src/module/wire/frames.ts";
import { FrameChannel } from "../../src/module/wire/frame_channel.ts";
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
    const channel = new FrameChannel(near, {
      onFrame(frame) {
        if (frame.kind === FrameKind.CREATED) created.resolve();
        if (frame.kind === FrameKind.DONE) outcomes.push(CALL_OUTCOMES[frame.argument] ?? "?");
        if (frame.kind === FrameKind.DESTROYED) destroyed.resolve();
      },
      onClosed() {},
    });
    server.start();
    channel.start();
    const parameters = [["car_name", "car_a"], ["record", record], ["forward_status_ms", "20"]];
    channel.out.begin(FrameKind.CREATE, 0);
    channel.out.text(
      JSON.stringify({ module: 1000, libPath: fixtures.module, parameters, waitTimeoutMs: 50 }),
    );
    channel.out.end();
    channel.flush();
    await waitFor(created.promise, "the context");
    const sent: string[] = [];
    for (let i = 0; i < 20; i++) {
      const text = `${i} `.padEnd(60 + i * 5, "abcdefghij");
      sent.push(text);
      channel.out.deviceFrame(
        FrameKind.FORWARD_STATUS,
        0,
        0,
        DEVICE,
        new TextEncoder().encode(text),
      );
    }
    channel.flush();
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
    channel.out.numberFrame(FrameKind.DESTROY, 0, 0, 5000);
    channel.flush();
    await waitFor(destroyed.promise, "the context to be destroyed");
    channel.close();
    await waitFor(server.closed, "the host to end");
  },
});
