// Giving up while a connection is being opened: brokers that accept and then stay silent.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { BrokerConfig } from "../../src/config/resolve/config.ts";
import { concatenate, type Link, type LinkListener } from "../../src/net/link.ts";
import { openLink } from "../../src/net/open_link.ts";
import type { TlsMaterial } from "../../src/net/tls.ts";
import { openWebSocket } from "../../src/net/websocket.ts";
import { Certificates } from "../support/certificates.ts";
import { waitFor } from "../support/wait.ts";

interface Attempt {
  readonly protocol: BrokerConfig["protocol"];
  readonly listener: Deno.TcpListener | Deno.TlsListener;
  readonly tls?: TlsMaterial;
}

/** Opens, waits until the broker has heard something, gives up; returns the broker's end. */
async function giveUp({ protocol, listener, tls }: Attempt): Promise<Deno.Conn> {
  const { port } = listener.addr as Deno.NetAddr;
  const abort = new AbortController();
  const reason = new Error("Given up");
  const opening = openLink({ protocol, host: "127.0.0.1", port, path: "" }, tls, abort.signal);
  const guest = await listener.accept();
  await waitFor(guest.read(new Uint8Array(1)), "the first byte");
  abort.abort(reason);
  await waitFor(assert.rejects(opening, reason), "the end of opening");
  return guest;
}

/** Reads until the other end has closed. */
async function readToEnd(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(4096);
  try {
    while (await conn.read(buffer) !== null);
  } catch {
    // Reset: closed as well.
  }
}

Deno.test("openLink() ends in the WebSocket handshake when it is told to, and closes", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using guest = await giveUp({ protocol: "ws", listener });
  await waitFor(readToEnd(guest), "the end of the connection");
});

Deno.test("openLink() ends in the WebSocket handshake over TLS, too", async () => {
  await using certificates = await Certificates.make();
  const { certFile, keyFile } = certificates.server;
  using listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: await Deno.readTextFile(certFile),
    key: await Deno.readTextFile(keyFile),
  });
  const tls = { ca: await Deno.readTextFile(certificates.caFile) };
  using guest = await giveUp({ protocol: "wss", listener, tls });
  await waitFor(readToEnd(guest), "the end of the connection");
});

for (const protocol of ["mqtts", "wss"] as const) {
  Deno.test(`openLink() ends in the TLS handshake when it is told to: ${protocol}`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using _guest = await giveUp({ protocol, listener, tls: {} });
  });
}

Deno.test("openLink() closes the result of a TCP handshake that was given up", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const broker = {
    protocol: "mqtt",
    host: "127.0.0.1",
    port: listener.addr.port,
    path: "",
  } as const;
  const reason = new Error("Given up");
  await assert.rejects(openLink(broker, undefined, AbortSignal.abort(reason)), reason);
  using guest = await listener.accept();
  await waitFor(readToEnd(guest), "the end of the connection");
});

/** A link whose other end sends what a test scripts, and reads nothing. */
class UnreadLink implements Link {
  readonly written: Uint8Array[] = [];
  listener: LinkListener | undefined;

  readonly destroyed: (Error | undefined)[] = [];
  unsentBytes = 0;

  start(listener: LinkListener): void {
    this.listener = listener;
  }

  write(bytes: Uint8Array): void {
    this.written.push(bytes);
    this.unsentBytes += bytes.length;
  }

  pause(): void {}
  resume(): void {}
  end(): void {}

  destroy(error?: Error): void {
    this.destroyed.push(error);
  }
}

/** The broker's answer to the upgrade request. */
function upgradeAnswer(link: UnreadLink): Uint8Array {
  const request = new TextDecoder().decode(link.written.pop());
  const [, key = ""] = /^Sec-WebSocket-Key: (\S+)/m.exec(request) ?? [];
  const proof = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  const answer = `HTTP/1.1 101 \r\nSec-WebSocket-Accept: ${proof.digest("base64")}\r\n\r\n`;
  return new TextEncoder().encode(answer);
}

const AT = { protocol: "ws", host: "127.0.0.1", port: 1, path: "" } as const;

Deno.test("openWebSocket() answers pings, but bounds answers that are not read", async () => {
  const link = new UnreadLink();
  const opening = openWebSocket(link, AT);
  link.listener?.onData(upgradeAnswer(link));
  await opening;
  const ping = new Uint8Array([0x89, 2, 7, 8]);
  link.listener?.onData(ping);
  const [[first, length, ...rest] = []] = link.written;
  assert.deepEqual([first, length, rest.length], [0x8a, 0x82, 6]);
  for (let i = 0; i < 100_000; i++) link.listener?.onData(ping);
  assert.ok(link.unsentBytes < 70_000, `${link.unsentBytes} bytes`);
});

Deno.test("openWebSocket() takes nothing after the close frame", async () => {
  const link = new UnreadLink();
  const opening = openWebSocket(link, AT);
  link.listener?.onData(upgradeAnswer(link));
  const heard: number[] = [];
  (await opening).start({ onData: (bytes) => heard.push(...bytes), onClosed() {} });
  link.listener?.onData(new Uint8Array([0x82, 1, 7, 0x88, 0, 0x82, 1, 8]));
  assert.deepEqual([heard, link.destroyed], [[7], [undefined]]);
});

Deno.test("openWebSocket() ends a connection whose first bytes are not what its user expects", async () => {
  const link = new UnreadLink();
  const opening = openWebSocket(link, AT);
  link.listener?.onData(concatenate([upgradeAnswer(link), new Uint8Array([0x82, 1, 7])]));
  const malformed = new Error("malformed");
  (await opening).start({
    onData: () => {
      throw malformed;
    },
    onClosed() {},
  });
  assert.deepEqual(link.destroyed, [malformed]);
});
