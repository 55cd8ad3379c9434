// Giving up while a connection is being opened: brokers that accept and then say nothing.
import assert from "node:assert/strict";
import type { BrokerConfig } from "../../src/config/form/model.ts";
import { openLink } from "../../src/net/open_link.ts";
import type { TlsMaterial } from "../../src/net/tls.ts";
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

Deno.test("openLink() closes what comes of a TCP handshake that nobody waits for", async () => {
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
