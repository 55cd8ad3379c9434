// The gateway's ways to a broker: TLS, WebSockets, credentials, and brokers that refuse.
import assert from "node:assert/strict";
import { type GatewayBroker, GatewayLink } from "../../src/gateway/gateway_link.ts";
import { Certificates } from "../support/certificates.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";

/** Opens a link, and says "up", or why it is not. */
async function tried(broker: GatewayBroker): Promise<string> {
  const outcome = Promise.withResolvers<string>();
  const link = new GatewayLink({ broker, company: "acme", car: "car_1" }, {
    onUp: () => outcome.resolve("up"),
    onDown: outcome.resolve,
    onMessage() {},
    onNotification() {},
  });
  link.open();
  try {
    return await waitFor(outcome.promise, "the link to be up or down", 60_000);
  } finally {
    await link.closed();
  }
}

mosquittoTest("GatewayLink.open() speaks TLS with a client certificate [CLI-TLS]", async () => {
  await using certificates = await Certificates.make();
  const { caFile, server, client } = certificates;
  await using broker = await Mosquitto.start({
    tls: { caFile, ...server, clientCertificates: true },
  });
  const at = { protocol: "mqtts", host: "127.0.0.1", port: broker.port } as const;
  assert.equal(await tried({ ...at, tls: { caFile, ...client } }), "up");
  assert.notEqual(await tried({ ...at, tls: { caFile } }), "up");
  assert.notEqual(await tried({ ...at, tls: { caFile: certificates.otherCaFile } }), "up");
  assert.match(await tried({ ...at, tls: { caFile: "/none.pem" } }), /cannot connect: .*none/);
});

mosquittoTest("GatewayLink.open() speaks MQTT over WebSockets", async () => {
  await using broker = await Mosquitto.start({ websockets: true });
  const at = { protocol: "ws", host: "127.0.0.1", port: broker.port, path: "/mqtt" } as const;
  assert.equal(await tried(at), "up");
});

mosquittoTest("GatewayLink.open() brings user name and password", async () => {
  await using broker = await Mosquitto.start({ users: { me: "secret" } });
  const at = { host: "127.0.0.1", port: broker.port };
  assert.equal(await tried({ ...at, username: "me", password: "secret" }), "up");
  assert.match(await tried({ ...at, username: "me", password: "wrong" }), /[Nn]ot authorized/);
});

mosquittoTest("GatewayLink is the gateway's only connection: a second one ends it", async () => {
  await using broker = await Mosquitto.start();
  const at = { host: "127.0.0.1", port: broker.port };
  const downs: string[] = [];
  const gone = Promise.withResolvers<void>();
  const up = Promise.withResolvers<void>();
  const link = new GatewayLink({ broker: at, company: "acme", car: "car_1" }, {
    onUp: up.resolve,
    onDown: (reason) => {
      downs.push(reason);
      gone.resolve();
    },
    onMessage() {},
    onNotification() {},
  });
  link.open();
  await waitFor(up.promise, "the first link to be up", 60_000);
  assert.equal(await tried(at), "up", "the client id is the same, <company>/<car>");
  await waitFor(gone.promise, "the first link to be down", 60_000);
  await link.closed();
  assert.equal(downs.length, 1);
});
