// Connections to the operators' port: how many, and for how long with nothing said on them.
import assert from "node:assert/strict";
import { ConnectionProxy, FIRST_REQUEST_MS, SILENCE_MS } from "../../src/http/connection_proxy.ts";
import { LINGER_MS } from "../../src/http/proxied_connection.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";

const HERE = { hostname: "127.0.0.1", port: 0 };

/** A proxy with a server of bytes behind it. */
class House implements Disposable {
  readonly clock = new VirtualClock();
  readonly inner = Deno.listen(HERE);
  readonly proxy: ConnectionProxy;
  /** Ends of connections on the server's side, as they came. */
  readonly rooms: Deno.TcpConn[] = [];
  /** Ports at which the server was not found. */
  readonly refused: number[] = [];
  readonly #guests: Deno.TcpConn[] = [];

  constructor(limits = { all: 3, client: 3 }) {
    this.proxy = new ConnectionProxy({ ...HERE, clock: this.clock, limits });
    this.proxy.open({ port: this.inner.addr.port, onRefused: (port) => this.refused.push(port) });
    void this.#accept();
  }

  async #accept(): Promise<void> {
    try {
      while (true) this.rooms.push(await this.inner.accept());
    } catch {
      // The test is over.
    }
  }

  async enter(): Promise<Deno.TcpConn> {
    const guest = await Deno.connect({ ...HERE, port: this.proxy.port });
    this.#guests.push(guest);
    return guest;
  }

  /** Enters, and waits until the server has the connection. */
  async letIn(): Promise<Deno.TcpConn> {
    const before = this.rooms.length;
    const guest = await this.enter();
    await waitFor(() => this.rooms.length > before, "the connection");
    return guest;
  }

  [Symbol.dispose](): void {
    void this.proxy.stop();
    for (const end of [...this.rooms, ...this.#guests, this.inner]) {
      try {
        end.close();
      } catch {
        // It was closed by the test.
      }
    }
  }
}

function say(end: Deno.TcpConn, text: string): Promise<number> {
  return end.write(new TextEncoder().encode(text));
}

/** What comes next; "" when the connection is over. */
async function hear(end: Deno.TcpConn): Promise<string> {
  const chunk = new Uint8Array(100);
  const size = await waitFor(end.read(chunk).catch(() => null), "bytes or the end");
  return new TextDecoder().decode(chunk.subarray(0, size ?? 0));
}

Deno.test("ConnectionProxy passes bytes on both ways, and knows whose they are", async () => {
  using house = new House();
  const guest = await house.letIn();
  const [room] = house.rooms as [Deno.TcpConn];
  await say(guest, "question");
  assert.equal(await hear(room), "question");
  assert.equal(house.proxy.requested(room.remoteAddr.port)?.client, "127.0.0.1");
  assert.equal(house.proxy.requested(guest.localAddr.port), undefined);
  await guest.closeWrite();
  assert.equal(await hear(room), "");
  await say(room, "answer");
  assert.equal(await hear(guest), "answer");
  const { port } = room.remoteAddr;
  room.close();
  assert.equal(await hear(guest), "");
  await waitFor(() => house.proxy.size === 0, "the end");
  assert.equal(house.proxy.requested(port), undefined);
});

Deno.test("ConnectionProxy closes a connection on which the server says nothing, whatever is asked", async () => {
  using house = new House();
  const dripping = await house.letIn();
  const answered = await house.letIn();
  const [asked, room] = house.rooms as [Deno.TcpConn, Deno.TcpConn];
  await waitFor(() => house.proxy.requested(asked.remoteAddr.port), "the first request");
  for (let passed = 0; passed < SILENCE_MS; passed += 10_000) {
    await say(dripping, "X-Header: 1\r\n").catch(() => {});
    await say(room, "event");
    assert.equal(await hear(answered), "event");
    await house.clock.advance(10_000);
  }
  await waitFor(() => house.proxy.size === 1, "the end of the silent one");
  assert.equal(await hear(dripping), "");
  await say(room, "event");
  assert.equal(await hear(answered), "event");
});

Deno.test("ConnectionProxy closes a connection sooner whose first request does not come to its end", async () => {
  using house = new House();
  const dripping = await house.letIn();
  for (let passed = 0; passed < FIRST_REQUEST_MS; passed += 10_000) {
    assert.equal(house.proxy.size, 1);
    await say(dripping, "X-Header: 1\r\n");
    await house.clock.advance(10_000);
  }
  await waitFor(() => house.proxy.size === 0, "the end");
  assert.equal(await hear(dripping), "");
});

Deno.test("ConnectionProxy closes a connection whose client does not take what the server says", async () => {
  using house = new House();
  await house.letIn();
  const [room] = house.rooms as [Deno.TcpConn];
  const talking = (async () => {
    const much = new Uint8Array(1024 * 1024);
    while (true) await room.write(much);
  })().catch(() => "cut off");
  // The system takes something for a client that does not read; how much, and how fast, is its affair.
  await waitFor(async () => {
    await house.clock.advance(10_000);
    return house.proxy.size === 0;
  }, "the end");
  assert.equal(await waitFor(talking, "the end of the talk"), "cut off");
});

Deno.test("ConnectionProxy lets in so many, and one more when one has left", async () => {
  for (const limits of [{ all: 2, client: 3 }, { all: 3, client: 2 }]) {
    using house = new House(limits);
    const first = await house.letIn();
    await house.letIn();
    assert.equal(await hear(await house.enter()), "");
    assert.equal(house.rooms.length, 2);
    first.close();
    const [room] = house.rooms as [Deno.TcpConn];
    assert.equal(await hear(room), "");
    room.close();
    await waitFor(() => house.proxy.size === 1, "the end of the first");
    await house.letIn();
  }
});

Deno.test("ConnectionProxy dismisses a client: it gets its answer, and is closed though it goes on", async () => {
  using house = new House();
  const guest = await house.letIn();
  const [room] = house.rooms as [Deno.TcpConn];
  await say(guest, "question");
  assert.equal(await hear(room), "question");
  const answered = Promise.withResolvers<void>();
  house.proxy.requested(room.remoteAddr.port)?.dismiss(answered.promise);
  await say(guest, "not passed on");
  await say(room, "answer");
  assert.equal(await hear(guest), "answer");
  answered.resolve();
  assert.equal(await hear(room), "");
  room.close();
  assert.equal(await hear(guest), "");
  const talking = (async () => {
    while (true) await guest.write(new Uint8Array(65_536));
  })().catch(() => "cut off");
  await house.clock.advance(LINGER_MS - 1);
  assert.equal(house.proxy.size, 1);
  await house.clock.advance(1);
  assert.equal(await waitFor(talking, "the end of the talk"), "cut off");
  await waitFor(() => house.proxy.size === 0, "the end");
});

Deno.test("ConnectionProxy lets go of a dismissed client at once when it has nothing more to say", async () => {
  using house = new House();
  const guest = await house.letIn();
  const [room] = house.rooms as [Deno.TcpConn];
  house.proxy.requested(room.remoteAddr.port)?.dismiss(Promise.resolve());
  room.close();
  assert.equal(await hear(guest), "");
  guest.close();
  await waitFor(() => house.proxy.size === 0, "the end");
});

Deno.test("ConnectionProxy says when it finds no server, and takes no more connections than so many a second", async () => {
  using house = new House();
  const { port } = house.inner.addr;
  house.inner.close();
  assert.equal(await hear(await house.enter()), "");
  assert.deepEqual(house.refused, [port]);
  for (let i = 1; i < 512; i++) await hear(await house.enter());
  assert.equal(house.refused.length, 512);
  await hear(await house.enter());
  assert.equal(house.refused.length, 512);
  await house.clock.advance(10);
  await hear(await house.enter());
  assert.equal(house.refused.length, 513);
});

Deno.test("ConnectionProxy.stop() cuts everybody off and leaves no timer", async () => {
  using house = new House();
  const guest = await house.letIn();
  const { port } = house.proxy;
  await waitFor(house.proxy.stop(), "the end");
  assert.equal(await hear(guest), "");
  await assert.rejects(Deno.connect({ ...HERE, port }));
  assert.equal(house.clock.timers, 0);
});
