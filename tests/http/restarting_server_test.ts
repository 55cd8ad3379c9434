// The HTTP server behind the port, which some runtimes give up when file descriptors run out.
import assert from "node:assert/strict";
import { RestartingServer } from "../../src/http/restarting_server.ts";
import { ListLog } from "../support/list_log.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";

/** A runtime's servers, which end when the test says so. */
class FakeServers {
  readonly clock = new VirtualClock();
  readonly log = new ListLog();
  readonly ends: PromiseWithResolvers<void>[] = [];
  readonly aborted: number[] = [];
  /** What the next start fails with. */
  failure: Error | undefined;

  readonly serve = ({ signal }: Deno.ServeTcpOptions) => {
    if (this.failure !== undefined) throw this.failure;
    const end = Promise.withResolvers<void>();
    const port = this.ends.push(end);
    signal?.addEventListener("abort", () => {
      this.aborted.push(port);
      end.resolve();
    });
    const server = { finished: end.promise, addr: { hostname: "127.0.0.1", port } };
    return server as unknown as Deno.HttpServer<Deno.NetAddr>;
  };
}

Deno.test("RestartingServer comes back when its server ends, and when nobody listens any more", async () => {
  const fakes = new FakeServers();
  const server = new RestartingServer(fakes);
  assert.equal(server.port, 1);
  fakes.ends[0]?.reject(new Error("Too many open files"));
  await settled();
  assert.equal(fakes.clock.timers, 1);
  await fakes.clock.advance(100);
  assert.equal(server.port, 2);
  server.onRefused(1);
  assert.equal(fakes.clock.timers, 0);
  server.onRefused(2);
  server.onRefused(2);
  await fakes.clock.advance(200);
  assert.equal(server.port, 3);
  assert.deepEqual(fakes.log.lines.length, 1);
  // The second goes on with the connections it has.
  assert.deepEqual(fakes.aborted, []);
  await server.stop(1000);
  assert.deepEqual(fakes.aborted, [2, 3]);
  assert.equal(fakes.clock.timers, 0);
});

Deno.test("RestartingServer tries again with growing pauses, the first one again after a while", async () => {
  const fakes = new FakeServers();
  const server = new RestartingServer(fakes);
  fakes.failure = new Error("Too many open files");
  server.onRefused(1);
  // 100, 200, 400 ... 10,000 ms at most.
  await fakes.clock.advance(30_000);
  assert.equal(fakes.clock.timers, 1);
  fakes.failure = undefined;
  await fakes.clock.advance(10_000);
  assert.equal(server.port, 2);
  await fakes.clock.advance(60_000);
  server.onRefused(2);
  await fakes.clock.advance(100);
  assert.equal(server.port, 3);
  fakes.failure = new Error("Too many open files");
  server.onRefused(3);
  await server.stop(1000);
  assert.equal(fakes.clock.timers, 0);
});
