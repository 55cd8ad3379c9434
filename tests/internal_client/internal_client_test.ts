// The client against scripted gateways.
import assert from "node:assert/strict";
import { Socket } from "node:net";
import {
  AlreadyConnected,
  Closed,
  ConnectionRefused,
  type ConnectOptions,
  DeviceNotSupported,
  HigherPriorityAlreadyConnected,
  InternalClient,
  type InternalClientError,
  jsonDevice,
  ModuleNotSupported,
  NoCommand,
  ProtocolError,
  Timeout,
} from "../../src/internal_client/mod.ts";
import { frameOf } from "../../src/protocol/codec/mod.ts";
import { DeviceConnectResponseType as Type } from "../../src/protocol/mod.ts";
import { Inbox, waitFor } from "../support/wait.ts";
import { type Cut, type Peer, ScriptedGateway } from "./scripted_gateway.ts";

const CUTS: readonly Cut[] = ["whole", "byte by byte", "header apart"];
const DEVICE = { module: 1000, type: 7, role: "button", name: "front", priority: 3 };
/** Only bounds what hangs. */
const LONG_MS = 60_000;

function optionsFor(port: number, more: Partial<ConnectOptions> = {}): ConnectOptions {
  return { port, timeoutMs: LONG_MS, ...DEVICE, ...more };
}

/** A client and its side of the first connection. */
async function connected(
  gateway: ScriptedGateway,
  more: Partial<ConnectOptions> = {},
): Promise<[InternalClient, Peer]> {
  const connecting = InternalClient.connect(optionsFor(gateway.port, more));
  const peer = await gateway.peer();
  await peer.accept();
  return [await connecting, peer];
}

/** A value whose type nobody has checked. */
// deno-lint-ignore no-explicit-any
function untyped(value: unknown): any {
  return value;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** What a connecting client that must fail fails with. */
async function failure(promise: Promise<unknown>): Promise<InternalClientError> {
  return await promise.then(() => assert.fail("Expected a failure"), (error) => error);
}

for (const cut of CUTS) {
  Deno.test(`a status is answered with a command (segments: ${cut})`, async () => {
    await using gateway = await ScriptedGateway.start(cut);
    const [client, peer] = await connected(gateway);
    await using _ = client;
    assert.deepEqual(peer.device, {
      module: 1000,
      deviceType: 7,
      deviceRole: "button",
      deviceName: "front",
      priority: 3,
    });
    assert.throws(() => client.lastCommand(), NoCommand);
    assert.equal(client.command, undefined);
    for (const n of [1, 2, 3]) {
      const answer = client.sendStatus(`status ${n}`, { timeoutMs: LONG_MS });
      assert.equal(await peer.answer(`command ${n}`), `status ${n}`);
      assert.equal(text(await answer), `command ${n}`);
    }
    assert.equal(text(client.lastCommand()), "command 3");
    assert.equal(client.statistics.statuses, 3);
    assert.equal(gateway.connections, 1);
  });

  Deno.test(`unsolicited commands shift no answer (segments: ${cut})`, async () => {
    await using gateway = await ScriptedGateway.start(cut);
    const [client, peer] = await connected(gateway);
    await using _ = client;
    const events = new Inbox<string>();
    client.addEventListener("command", (event) => {
      events.push(text((event as CustomEvent<Uint8Array>).detail));
    });
    const iterator = client.commands[Symbol.asyncIterator]();
    const first = client.sendStatus("1", { timeoutMs: LONG_MS });
    await peer.next();
    await peer.send(peer.command("answer"), peer.command("pushed"), peer.command(""));
    assert.equal(text(await first), "answer");
    assert.equal(text((await iterator.next()).value), "pushed");
    assert.equal(await events.next("the event"), "pushed");
    const second = client.sendStatus("2", { timeoutMs: LONG_MS });
    await peer.answer("answer 2");
    assert.equal(text(await second), "answer 2");
    assert.equal(client.statistics.commands, 1);
    await client.close();
    assert.equal((await iterator.next()).done, true);
  });

  const refusals = [
    [Type.ALREADY_CONNECTED, AlreadyConnected, "already_connected"],
    [Type.MODULE_NOT_SUPPORTED, ModuleNotSupported, "module_not_supported"],
    [Type.DEVICE_NOT_SUPPORTED, DeviceNotSupported, "device_not_supported"],
    [
      Type.HIGHER_PRIORITY_ALREADY_CONNECTED,
      HigherPriorityAlreadyConnected,
      "higher_priority_already_connected",
    ],
    [5, ProtocolError, "protocol_error"],
  ] as const;
  for (const [type, Expected, code] of refusals) {
    Deno.test(`response type ${type} to Connect is ${code} (segments: ${cut})`, async () => {
      await using gateway = await ScriptedGateway.start(cut);
      const failing = failure(InternalClient.connect(optionsFor(gateway.port)));
      const peer = await gateway.peer();
      await peer.accept(type);
      const error = await failing;
      assert.ok(error instanceof Expected, `${error}`);
      assert.equal(error.code, code);
      // A gateway keeps a refused device's connection open: closing it is up to the client.
      await waitFor(peer.closed, "the refused client to close its socket");
    });
  }
}

/** What a gateway does instead of answering a status. */
const FAILURES: readonly {
  readonly what: string;
  readonly fail: (peer: Peer) => void | Promise<void>;
  readonly error: new (message: string) => InternalClientError;
}[] = [
  { what: "closes", fail: (peer) => peer.end(), error: ProtocolError },
  { what: "resets", fail: (peer) => peer.reset(), error: ConnectionRefused },
  { what: "is silent", fail: () => {}, error: Timeout },
  { what: "sends garbage", fail: (p) => p.raw(frameOf(Uint8Array.of(7, 7))), error: ProtocolError },
  { what: "sends an empty frame", fail: (p) => p.raw(new Uint8Array(4)), error: ProtocolError },
  {
    what: "announces 4 GB",
    fail: (peer) => peer.raw(Uint8Array.of(255, 255, 255, 255)),
    error: ProtocolError,
  },
  {
    what: "answers another device",
    fail: (p) => p.send(p.command("x", { ...p.device, deviceRole: "other" } as never)),
    error: ProtocolError,
  },
  {
    what: "answers Connect again",
    fail: (peer) =>
      peer.send({ kind: "device_connect_response", type: 0, device: peer.device as never }),
    error: ProtocolError,
  },
];

for (const { what, fail, error: Expected } of FAILURES) {
  // Node's sockets cannot do it in Deno 2.4.
  if (what === "resets" && !("resetAndDestroy" in Socket.prototype)) continue;
  const timeoutMs = what === "is silent" ? 1000 : LONG_MS;

  Deno.test(`a gateway that ${what} once costs nothing but a new connection`, async () => {
    await using gateway = await ScriptedGateway.start();
    const [client, peer] = await connected(gateway);
    await using _ = client;
    const answer = client.sendStatus("status", { timeoutMs: 2 * timeoutMs });
    await peer.next();
    await fail(peer);
    const second = await gateway.peer();
    await second.accept();
    assert.equal(await second.answer("command"), "status");
    assert.equal(text(await answer), "command");
    assert.deepEqual(client.state, { kind: "connected" });
    assert.equal(client.statistics.reconnects, 1);
    await waitFor(peer.closed, "the old connection to be closed");
  });

  Deno.test(`a gateway that ${what} twice ends the client`, async () => {
    await using gateway = await ScriptedGateway.start();
    const [client, peer] = await connected(gateway);
    const failing = failure(client.sendStatus("status", { timeoutMs }));
    await peer.next();
    await fail(peer);
    const second = await gateway.peer();
    await second.accept();
    await second.next();
    await fail(second);
    const error = await failing;
    assert.ok(error instanceof Expected, `${error}`);
    assert.equal(client.state.kind, "closed");
    const later = await failure(client.sendStatus("another"));
    assert.ok(later instanceof Closed);
    assert.equal(later.cause, error);
    await waitFor(second.closed, "the socket to be closed");
    assert.equal(gateway.connections, 2);
  });
}

Deno.test("a gateway that closes twice at Connect ends the client with what the last one said", async () => {
  await using gateway = await ScriptedGateway.start();
  const [client, peer] = await connected(gateway);
  peer.end();
  const failing = failure(client.sendStatus("status", { timeoutMs: LONG_MS }));
  const second = await gateway.peer();
  await second.next();
  second.end();
  assert.ok(await failing instanceof ProtocolError);
  assert.equal(client.state.kind, "closed");
});

Deno.test("a refusal in the second handshake is thrown as it is", async () => {
  await using gateway = await ScriptedGateway.start();
  const [client, peer] = await connected(gateway);
  const failing = failure(client.sendStatus("status", { timeoutMs: LONG_MS }));
  await peer.next();
  peer.end();
  await (await gateway.peer()).accept(Type.MODULE_NOT_SUPPORTED);
  assert.ok(await failing instanceof ModuleNotSupported);
  assert.equal(client.state.kind, "closed");
});

Deno.test("a silent handshake is a timeout, and the socket is closed", async () => {
  await using gateway = await ScriptedGateway.start();
  const failing = failure(InternalClient.connect(optionsFor(gateway.port, { timeoutMs: 50 })));
  const peer = await gateway.peer();
  assert.ok(await failing instanceof Timeout);
  await waitFor(peer.closed, "the socket to be closed");
});

Deno.test("what cannot be reached is refused, whatever the system calls it", async () => {
  const gateway = await ScriptedGateway.start();
  const { port } = gateway;
  await gateway[Symbol.asyncDispose]();
  const refused = await failure(InternalClient.connect(optionsFor(port)));
  assert.ok(refused instanceof ConnectionRefused);
  assert.ok(refused.cause instanceof Error);
  assert.match(refused.message, /127\.0\.0\.1:\d+: ECONNREFUSED/);
  const unknown = await failure(
    InternalClient.connect(optionsFor(port, { host: "no such host.invalid" })),
  );
  assert.ok(unknown instanceof ConnectionRefused, `${unknown}`);
});

Deno.test("an answer that comes late belongs to nobody", async () => {
  await using gateway = await ScriptedGateway.start();
  const [client, peer] = await connected(gateway);
  await using _ = client;
  const abort = new AbortController();
  const first = client.sendStatus("1", { timeoutMs: LONG_MS, signal: abort.signal });
  await peer.next();
  abort.abort(new Error("enough"));
  await assert.rejects(first, /enough/);
  await peer.send(peer.command("late"));
  const second = client.sendStatus("2", { timeoutMs: LONG_MS });
  const next = await gateway.peer();
  await next.accept();
  assert.equal(await next.answer("right"), "2");
  assert.equal(text(await second), "right");
});

Deno.test("arguments that cannot be used are RangeErrors with the value", async () => {
  const wrong: readonly [Partial<ConnectOptions>, RegExp][] = [
    [{ port: 0 }, /port 0/],
    [{ port: 65_536 }, /port 65536/],
    [{ module: -1 }, /module -1/],
    [{ module: 2 ** 31 }, /module 2147483648/],
    [{ type: 1.5 }, /type 1\.5/],
    [{ priority: 2 ** 32 }, /priority 4294967296/],
    [{ role: "x".repeat(1025) }, /role.*1025/],
    [{ host: "" }, /host ""/],
    [{ timeoutMs: 0 }, /timeoutMs 0/],
    [{ timeoutMs: -1 }, /timeoutMs -1/],
    [{ timeoutMs: Number.NaN }, /timeoutMs NaN/],
    [{ maxCommands: 0 }, /maxCommands 0/],
    // What a program without types may pass.
    [untyped({ host: 5 }), /host "5"/],
    [untyped({ role: 5 }), /role: expected a string .* got number/],
    [untyped({ tls: "ca.pem" }), /tls ca\.pem/],
    [untyped({ signal: 5 }), /signal.*number/],
  ];
  for (const [more, message] of wrong) {
    await assert.rejects(
      InternalClient.connect(optionsFor(1, more)),
      (error: Error) => error instanceof RangeError && message.test(error.message),
    );
  }
  await assert.rejects(InternalClient.connect(untyped(undefined)), RangeError);
  await using gateway = await ScriptedGateway.start();
  const [client] = await connected(gateway);
  await using _ = client;
  await assert.rejects(client.sendStatus("x", { timeoutMs: 0 }), RangeError);
  await assert.rejects(client.sendStatus(new Uint8Array(2 ** 20)), RangeError);
  await assert.rejects(client.sendStatus("x", untyped({ signal: 5 })), RangeError);
  for (const data of [undefined, null, 5, {}, [1, 2], new Uint16Array(1), new ArrayBuffer(1)]) {
    await assert.rejects(client.sendStatus(untyped(data)), RangeError);
    await assert.rejects(client.offerStatus(untyped(data)), RangeError);
  }
  assert.throws(() => client.heartbeat(() => "x", -1), RangeError);
});

Deno.test("statuses are sent one after the other, and of those that are offered the newest", async () => {
  await using gateway = await ScriptedGateway.start();
  const [client, peer] = await connected(gateway);
  await using _ = client;
  const options = { timeoutMs: LONG_MS };
  const sent = [client.sendStatus("1", options), client.sendStatus("2", options)];
  const offered = ["3", "4", "5"].map((status) => client.offerStatus(status, options));
  for (const n of ["1", "2", "5"]) assert.equal(await peer.answer(`to ${n}`), n);
  assert.deepEqual((await Promise.all(sent)).map(text), ["to 1", "to 2"]);
  assert.deepEqual((await Promise.all(offered)).map((a) => a && text(a)), [null, null, "to 5"]);
  assert.equal(client.statistics.replacedStatuses, 2);
});

Deno.test("closing fails what is under way and what waits, and may be repeated", async () => {
  await using gateway = await ScriptedGateway.start();
  const [client, peer] = await connected(gateway);
  const waiting = [1, 2].map((n) => failure(client.sendStatus(`${n}`, { timeoutMs: LONG_MS })));
  await peer.next();
  await client.close();
  await client.close();
  for (const error of await Promise.all(waiting)) assert.ok(error instanceof Closed, `${error}`);
  assert.deepEqual(client.state, { kind: "closed" });
  await waitFor(peer.closed, "the socket to be closed");
});

Deno.test("a heartbeat speaks when nobody else does", async () => {
  await using gateway = await ScriptedGateway.start();
  const [client, peer] = await connected(gateway);
  await using _ = client;
  let beats = 0;
  using _heartbeat = client.heartbeat(() => `beat ${++beats}`, 10);
  for (const n of [1, 2, 3]) assert.equal(await peer.answer(""), `beat ${n}`);
});

Deno.test("a heartbeat whose status cannot be made ends the client", async () => {
  await using gateway = await ScriptedGateway.start();
  const [client] = await connected(gateway);
  const ended = new Promise((resolve) => client.addEventListener("state", resolve));
  client.heartbeat(() => {
    throw new Error("no sensor");
  }, 1);
  await waitFor(ended, "the client to end");
  assert.match(`${(await failure(client.sendStatus("x"))).message}`, /no sensor/);
});

Deno.test("forever: the connection comes back by itself, and a status waits for it", async () => {
  let gateway = await ScriptedGateway.start();
  const { port } = gateway;
  const [client, peer] = await connected(gateway, { reconnect: "forever" });
  await using _ = client;
  const answer = client.sendStatus("status", { timeoutMs: LONG_MS });
  await peer.next();
  await gateway[Symbol.asyncDispose]();
  gateway = await ScriptedGateway.start("whole", port);
  await using _gateway = gateway;
  // The gateway remembers the lost connection for a while.
  await (await gateway.peer()).accept(Type.ALREADY_CONNECTED);
  const next = await gateway.peer();
  await next.accept();
  assert.equal(await next.answer("command"), "status");
  assert.equal(text(await answer), "command");
});

Deno.test("forever: a refusal ends the client, and whoever waits is told", async () => {
  await using gateway = await ScriptedGateway.start();
  const [client, peer] = await connected(gateway, { reconnect: "forever" });
  peer.end();
  await peer.closed;
  const failing = failure(client.sendStatus("status", { timeoutMs: LONG_MS }));
  await (await gateway.peer()).accept(Type.DEVICE_NOT_SUPPORTED);
  assert.ok(await failing instanceof DeviceNotSupported);
  assert.equal(client.state.kind, "closed");
});

Deno.test("forever: connecting waits for a gateway that is not there yet, until it is aborted", async () => {
  const gateway = await ScriptedGateway.start();
  const { port } = gateway;
  await gateway[Symbol.asyncDispose]();
  const { timeoutMs: _, ...options } = optionsFor(port, { reconnect: "forever" });
  const abort = new AbortController();
  const failing = InternalClient.connect({ ...options, signal: abort.signal });
  const connecting = InternalClient.connect(options);
  abort.abort(new Error("enough"));
  await assert.rejects(failing, /enough/);
  await using late = await ScriptedGateway.start("whole", port);
  await (await late.peer()).accept();
  await using client = await connecting;
  assert.deepEqual(client.state, { kind: "connected" });
});

Deno.test("JSON devices send values and get values", async () => {
  await using gateway = await ScriptedGateway.start();
  const [client, peer] = await connected(gateway);
  await using _ = client;
  const device = jsonDevice<{ pressed: boolean }, { lit: boolean }>(client);
  const options = { timeoutMs: LONG_MS };
  const answer = device.sendStatus({ pressed: true }, options);
  assert.equal(await peer.answer('{"lit":true}'), '{"pressed":true}');
  assert.deepEqual(await answer, { lit: true });
  const none = device.sendStatus({ pressed: false }, options);
  await peer.answer("");
  assert.equal(await none, null);
  const broken = device.sendStatus({ pressed: true }, options);
  await peer.answer("{");
  await assert.rejects(broken, ProtocolError);
  const pushed = device.commands[Symbol.asyncIterator]().next();
  await peer.send(peer.command('{"lit":false}'));
  assert.deepEqual((await pushed).value, { lit: false });
});

Deno.test("a reader of commands that is slow loses the oldest, and it is counted", async () => {
  await using gateway = await ScriptedGateway.start();
  const [client, peer] = await connected(gateway, { maxCommands: 2 });
  await using _ = client;
  const iterator = client.commands[Symbol.asyncIterator]();
  await peer.send(...["1", "2", "3", "4"].map((n) => peer.command(n)));
  await waitFor(() => client.statistics.commands === 4, "four commands");
  assert.equal(text((await iterator.next()).value), "3");
  assert.equal(text((await iterator.next()).value), "4");
  assert.equal(client.statistics.droppedCommands, 2);
});
