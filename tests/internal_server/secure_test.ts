// Internal servers that others than their devices can reach: TLS, and a token for each device.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  ConnectionRefused,
  type ConnectOptions,
  InternalClient,
  NotAuthorized,
} from "../../src/internal_client/mod.ts";
import type { ListenAddress } from "../../src/internal_server/mod.ts";
import { TlsFileError } from "../../src/net/mod.ts";
import { DeviceConnectResponseType as Type } from "../../src/protocol/mod.ts";
import { Certificates } from "../support/certificates.ts";
import { waitFor } from "../support/wait.ts";
import { Stage } from "./scripted_device.ts";
import { BUTTON, LAMP, text } from "./support.ts";

const TOKEN = "token-of-the-button";
const TOKENS = { "1000/7/button": `sha256:${createHash("sha256").update(TOKEN).digest("hex")}` };

function optionsFor({ port }: Stage, more: Partial<ConnectOptions> = {}): ConnectOptions {
  const { module, deviceType: type, deviceRole: role, deviceName: name, priority } = BUTTON;
  return { port, module, type, role, name, priority, timeoutMs: 60_000, ...more };
}

function overTls({ server }: Certificates): ListenAddress {
  return { host: "127.0.0.1", port: 0, tls: server };
}

Deno.test("client and internal server over TLS: statuses, commands, and the longest status", async () => {
  await using certificates = await Certificates.make();
  const ca = await Deno.readTextFile(certificates.caFile);
  await using stage = await Stage.start("whole", {}, overTls(certificates));
  for (const host of ["localhost", "127.0.0.1"]) {
    const connecting = InternalClient.connect(optionsFor(stage, { host, tls: { ca } }));
    await stage.admit();
    await using client = await connecting;
    for (const data of ["1", "x".repeat(1_032_192)]) {
      const answer = client.sendStatus(data, { timeoutMs: 60_000 });
      assert.equal(await stage.answer(`command ${data}`), data);
      assert.equal(text(await answer), `command ${data}`);
    }
    await client.close();
    await stage.asked("disconnected");
  }
  // Not an error of the network, although TLS was not ended in order.
  assert.equal(stage.server.statistics.closed.peer_closed, 2);
});

Deno.test("a client trusts no other gateway", async () => {
  await using certificates = await Certificates.make();
  const ca = await Deno.readTextFile(certificates.caFile);
  const otherCa = await Deno.readTextFile(certificates.otherCaFile);
  await using stage = await Stage.start("whole", {}, overTls(certificates));
  const attempts: readonly NonNullable<ConnectOptions["tls"]>[] = [
    true,
    { ca: otherCa },
    { ca, serverName: "elsewhere.test" },
  ];
  for (const tls of attempts) {
    const connecting = InternalClient.connect(optionsFor(stage, { host: "localhost", tls }));
    await assert.rejects(connecting, ConnectionRefused);
  }
  assert.equal(stage.unasked, 0);
});

Deno.test("a device without TLS, and a server without it: both end with a reason", async () => {
  await using certificates = await Certificates.make();
  const ca = await Deno.readTextFile(certificates.caFile);
  await using secure = await Stage.start("whole", {}, overTls(certificates));
  await assert.rejects(InternalClient.connect(optionsFor(secure)));
  assert.equal(secure.unasked, 0);
  await using plain = await Stage.start();
  const ended = assert.rejects(InternalClient.connect(optionsFor(plain, { tls: { ca } })));
  // The length that a handshake seems to begin with is malformed, or never reached.
  const { server } = plain;
  const isRead = () => server.statistics.heldBytes > 0 || server.statistics.closed.malformed === 1;
  await waitFor(isRead, "the handshake to be read");
  plain.clock.pass(5_000);
  await ended;
  assert.equal(plain.unasked, 0);
});

Deno.test("a server does not listen with files that cannot be used", async () => {
  await using certificates = await Certificates.make();
  const { certFile } = certificates.server;
  const tls = { certFile, keyFile: certificates.client.keyFile };
  const starting = Stage.start("whole", {}, { host: "127.0.0.1", port: 0, tls });
  await assert.rejects(starting, TlsFileError);
});

Deno.test("a device proves with its token who it is", async () => {
  await using stage = await Stage.start("whole", { tokens: TOKENS });
  const connecting = InternalClient.connect(optionsFor(stage, { token: TOKEN }));
  assert.deepEqual(await stage.admit(), BUTTON);
  await using client = await connecting;
  const answer = client.sendStatus("on");
  await stage.answer("go");
  assert.equal(text(await answer), "go");
});

for (
  const [who, more, why] of [
    ["a device without a token", {}, /it has no token/],
    ["a device with a wrong token", { token: `${TOKEN}s` }, /its token is wrong/],
    ["a device with another's token", { token: TOKEN, role: "lamp" }, /no token is configured/],
    ["a device of a name that records have", { token: TOKEN, role: "__proto__" }, /no token/],
  ] as const
) {
  Deno.test(`${who} is refused`, async () => {
    await using stage = await Stage.start("whole", { tokens: TOKENS });
    await assert.rejects(InternalClient.connect(optionsFor(stage, more)), NotAuthorized);
    assert.equal(stage.unasked, 0);
    assert.equal(stage.server.statistics.closed.not_authorized, 1);
    assert.equal(stage.log.matching(why).length, 1);
    assert.deepEqual(stage.log.matching(new RegExp(TOKEN)), []);
  });
}

Deno.test("a refused device learns nothing of others, and takes no one's place", async () => {
  await using stage = await Stage.start("whole", { tokens: TOKENS });
  const connecting = InternalClient.connect(optionsFor(stage, { token: TOKEN }));
  await stage.admit();
  await using client = await connecting;
  for (const priority of [0, BUTTON.priority, 9]) {
    const intruder = InternalClient.connect(optionsFor(stage, { priority }));
    await assert.rejects(intruder, NotAuthorized);
  }
  assert.equal(client.state.kind, "connected");
  assert.equal(stage.server.statistics.devices, 1);
});

Deno.test("a server without tokens ignores those that devices send", async () => {
  await using stage = await Stage.start();
  const device = await stage.open();
  await device.send({ kind: "device_connect", device: LAMP, token: "anything" });
  assert.deepEqual(await stage.admit(), LAMP);
  const type = Type.OK;
  assert.deepEqual(await device.next(), { kind: "device_connect_response", type, device: LAMP });
});
