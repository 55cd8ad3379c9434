// The configuration of a Module Gateway: the reference gateway's as it is, and our additions.
import assert from "node:assert/strict";
import { compareGateways, gatewayWithoutRestart } from "../../src/config/plan/compare_gateways.ts";
import { effectiveGatewayDocument } from "../../src/config/plan/effective.ts";
import { ConfigError } from "../../src/config/errors.ts";
import { GATEWAY } from "../../src/config/keys/gateway_keys.ts";
import { keysOf } from "../../src/config/keys/key.ts";
import { parseConfig } from "../../src/config/load.ts";
import {
  type GatewayOverrides,
  type LoadedGatewayConfig,
  parseGatewayConfig,
} from "../../src/config/resolve/gateway.ts";
import { keyHash } from "../../src/config/resolve/http.ts";
import { INTERNAL_SERVER_SETTINGS } from "../../src/internal_server/mod.ts";
import { documented, lines, place } from "./support.ts";

/** As the reference gateway's documentation has it. */
const REFERENCE = {
  "logging": {
    "console": { "level": "DEBUG", "use": true },
    "file": { "level": "info", "use": true, "path": "./log" },
  },
  "internal-server-settings": { "port": 8888 },
  "module-paths": { "7": "lib.so", "1000": "both.so" },
  "module-binary-path": "",
  "external-connection": {
    "company": "company",
    "vehicle-name": "car_1",
    "endpoints": [
      {
        "protocol-type": "mqtt",
        "server-ip": "broker.test",
        "port": 1883,
        "mqtt-settings": { "ssl": false, "ca-file": "x", "client-cert": "y", "client-key": "" },
        "quic-settings": { "alpn": "sample", "client-cert": "" },
        "modules": [7, 1000],
      },
    ],
  },
};
const CLOUD = REFERENCE["external-connection"];
const [ENDPOINT] = CLOUD.endpoints;

function load(
  more: Record<string, unknown> = {},
  overrides: GatewayOverrides = {},
): LoadedGatewayConfig {
  const document = JSON.parse(JSON.stringify({ ...REFERENCE, ...more }));
  return parseGatewayConfig(document, place, overrides);
}

function failure(more: Record<string, unknown>): string[] {
  try {
    load(more);
  } catch (error) {
    assert.ok(error instanceof ConfigError, `not a ConfigError: ${error}`);
    return lines(error.problems);
  }
  throw new assert.AssertionError({ message: "Expected a ConfigError: the document loads" });
}

function withServer(more: Record<string, unknown>): Record<string, unknown> {
  return { "internal-server-settings": { port: 8888, ...more } };
}

function withEndpoint(more: Record<string, unknown>, ...others: unknown[]) {
  const endpoints = [{ ...ENDPOINT, ...more }, ...others];
  return { "external-connection": { ...CLOUD, endpoints } };
}

Deno.test("the reference gateway's configuration is read unchanged [CONFIG-GATEWAY]", () => {
  const { config, warnings } = load();
  assert.deepEqual(warnings, []);
  assert.deepEqual(config, {
    company: "company",
    car: "car_1",
    internalServer: {
      address: "0.0.0.0",
      port: 8888,
      takeover: "strict",
      push: "between",
      pushOf: {},
      limits: { ...INTERNAL_SERVER_SETTINGS.limits },
    },
    modules: [{ number: 7, path: "/srv/lib.so" }, { number: 1000, path: "/srv/both.so" }],
    moduleLimits: {
      slowCallMs: 50,
      callTimeoutMs: 5000,
      maxHosts: 4,
      spareHosts: 1,
      maxHostMemoryBytes: 0,
    },
    endpoints: [{
      name: "1 mqtt://broker.test:1883",
      broker: { protocol: "mqtt", host: "broker.test", port: 1883, path: "" },
      modules: [7, 1000],
    }],
    logging: {
      console: { use: true, level: "DEBUG", format: "text" },
      file: {
        use: true,
        level: "INFO",
        format: "text",
        directory: "/srv/log",
        maxBytes: 52_428_800,
        keep: 5,
        name: "ModuleGateway.log",
      },
    },
  });
});

Deno.test("--port replaces the port, and makes up for a missing one", () => {
  assert.equal(load({}, { port: 1636 }).config.internalServer.port, 1636);
  const without = { "internal-server-settings": undefined };
  assert.equal(load(without, { port: 1636 }).config.internalServer.port, 1636);
  assert.deepEqual(failure(without), [
    "internal-server-settings.port: Expected a port, here or with --port: found nothing",
  ]);
});

Deno.test("ssl turns TLS on, with the files that are named", () => {
  const files = { "ca-file": "ca.pem", "client-cert": "cert.pem", "client-key": "key.pem" };
  const { config } = load(withEndpoint({ "mqtt-settings": { ssl: true, ...files } }));
  assert.deepEqual(config.endpoints[0]?.broker, {
    protocol: "mqtts",
    host: "broker.test",
    port: 1883,
    path: "",
    tls: { caFile: "/srv/ca.pem", certFile: "/srv/cert.pem", keyFile: "/srv/key.pem" },
  });
  const bare = load(withEndpoint({ "server-ip": "::1", "mqtt-settings": { ssl: true } }));
  assert.equal(bare.config.endpoints[0]?.name, "1 mqtts://[::1]:1883");
  assert.deepEqual(
    failure(withEndpoint({ "mqtt-settings": { ssl: true, "client-cert": "cert.pem" } })),
    [
      "external-connection.endpoints.0.mqtt-settings.client-key: " +
      "Expected the key of the client certificate: found nothing",
    ],
  );
});

Deno.test("our additions: TLS, tokens, takeover, push, limits, permissions, http", () => {
  const tokens = { "1000/0/button": keyHash("token") };
  const { config, warnings } = load({
    ...withServer({
      address: "127.0.0.1",
      "unix-socket": "devices",
      "tls-cert": "cert.pem",
      "tls-key": "key.pem",
      tokens,
      takeover: "probe",
      push: "never",
      "push-of": { "1000/0": "always" },
      limits: { "answer-ms": 100 },
    }),
    "module-paths": { "7": "lib.so", "1000": "module.ts" },
    "module-permissions": { "1000": { net: ["map.test:443"], read: ["maps"] } },
    http: { port: 0 },
  });
  assert.deepEqual(warnings, []);
  assert.deepEqual(config.internalServer, {
    address: "127.0.0.1",
    port: 8888,
    unixSocket: "/srv/devices",
    tls: { certFile: "/srv/cert.pem", keyFile: "/srv/key.pem" },
    takeover: "probe",
    push: "never",
    pushOf: { "1000/0": "always" },
    tokens,
    limits: { ...INTERNAL_SERVER_SETTINGS.limits, answerMs: 100 },
  });
  assert.deepEqual(config.modules[1]?.permissions, { net: ["map.test:443"], read: ["/srv/maps"] });
  assert.deepEqual(config.http, { address: "127.0.0.1", port: 0 });
});

Deno.test("the history of statuses that could not be sent is off, and has a limit [GATEWAY-HISTORY]", () => {
  const withHistory = (history: unknown) => ({ "external-connection": { ...CLOUD, history } });
  const { config } = load(withHistory({ directory: "kept" }));
  assert.deepEqual(config.history, { directory: "/srv/kept", maxBytes: 67_108_864 });
  assert.deepEqual(load(effectiveGatewayDocument(config)).config, config);
  assert.deepEqual(failure(withHistory({ "max-bytes": 0 })), [
    "external-connection.history.directory: Expected the path of a directory, not empty: found nothing",
    "external-connection.history.max-bytes: Expected a whole number from 1 to 2147483647: found the number 0",
  ]);
  const [change] = compareGateways(load().config, config);
  assert.deepEqual([change?.key, change?.to, change?.takes], [
    "external-connection.history.directory",
    "/srv/kept",
    "reconnect",
  ]);
});

Deno.test("what passes through is recorded and exported as a server's is", () => {
  const sinks = { lake: { kind: "file", directory: "lake", events: ["status"] } };
  const { config } = load({ event_log: { directory: "events" }, state_dir: "state", sinks });
  const { eventLog, sinks: [sink] = [], stateDir } = config;
  assert.deepEqual([eventLog?.directory, eventLog?.durability, stateDir], [
    "/srv/events",
    "batch",
    "/srv/state",
  ]);
  assert.deepEqual([sink?.name, sink?.kind, sink?.events], ["lake", "file", ["status"]]);
  assert.deepEqual(load(effectiveGatewayDocument(config)).config, config);
  const changes = compareGateways(load().config, config);
  assert.ok(changes.every(({ takes }) => takes === "restart"));
  assert.deepEqual(changes.find(({ key }) => key === "sinks")?.to, "lake (file)");
  assert.equal(gatewayWithoutRestart(load().config, config).sinks, undefined);
  assert.deepEqual(failure({ sinks }), [
    "event_log: Expected an event log, which sinks read: found nothing",
    "state_dir: Expected a directory for how far sinks are: found nothing",
  ]);
  assert.deepEqual(failure({ event_log: { directory: "events", durability: "each" } }), [
    'event_log.durability: Expected the string "batch", as a gateway answers devices at once: found "each"',
  ]);
});

Deno.test("every problem is named at once, with its place", () => {
  assert.deepEqual(
    failure({
      ...withServer({ port: 70_000, takeover: "perhaps", "push-of": { "7": "never" } }),
      "module-paths": { "0": "lib.so", "7": "missing.so", "1000": "both.so" },
      "external-connection": {
        company: "Company",
        "vehicle-name": "car_1",
        endpoints: [
          { ...ENDPOINT, "protocol-type": "quic", modules: [7, 1000] },
          { ...ENDPOINT, modules: [1000, 5] },
        ],
      },
    }),
    [
      "internal-server-settings.port: Expected a port, a whole number from 0 to 65535: found the number 70000",
      'internal-server-settings.takeover: Expected one of "strict", "probe": found the string "perhaps"',
      'external-connection.company: Expected a company\'s name: lowercase letters, digits and underscores, not empty: found the string "Company"',
      'external-connection.endpoints.0.protocol-type: Expected the string "MQTT", as this gateway has no other way to the cloud: found "quic"',
      "external-connection.endpoints.1.modules: Expected each module at one endpoint: found 1000 in external-connection.endpoints.0.modules, too",
      'external-connection.endpoints.1.server-ip: Expected each broker once: found "mqtt://broker.test:1883" in external-connection.endpoints.0, too',
      'module-paths.0: Expected a module number from 1 to 2147483647: found the key "0"',
      'module-paths.7: Expected an existing file: found none at "/srv/missing.so" and "/etc/fleet/missing.so"',
      'internal-server-settings.push-of.7: Expected module/type, as in 1000/0: found "7"',
    ],
  );
});

Deno.test("what is suspicious is said, and prevents nothing", () => {
  const { warnings } = load({
    ...withServer({ portt: 1, tokens: {} }),
    port: 8888,
    "module-binary-path": "module_binary",
    "module-permissions": { "7": { net: [] }, "8": {} },
    "module-paths": { "7": "lib.so", "8": "both.so", "1000": "both.so" },
  });
  assert.deepEqual(lines(warnings), [
    'internal-server-settings.portt: Unknown key: did you mean "port"?',
    'port: Unknown key: it belongs in "internal-server-settings"',
    "module-permissions.7: Key has no effect: the module is a shared library",
    "module-permissions.8: Key has no effect: the module is a shared library",
    "module-paths.8: The module is not served: no endpoint names it",
    "internal-server-settings.tokens: Tokens are sent over the network in clear text: TLS is off",
    "module-binary-path: Key has no effect: every module runs in processes of its own",
  ]);
});

Deno.test("the effective form resolves to the same configuration, and shows no secret", () => {
  const { config } = load({
    ...withServer({ tokens: { "7/0/a": keyHash("token") }, takeover: "probe" }),
    ...withEndpoint({
      "mqtt-settings": { ssl: true, "ca-file": "ca.pem", username: "me", password: "hidden" },
    }),
    http: { port: 0, api_key: "0123456789abcdef" },
  });
  const shown = effectiveGatewayDocument(config, { showSecrets: true });
  assert.deepEqual(load(shown).config, config);
  const text = JSON.stringify(effectiveGatewayDocument(config));
  assert.doesNotMatch(text, /hidden|0123456789abcdef/);
});

Deno.test("a comparison says what differs and when it takes effect", () => {
  const { config } = load();
  const changes: readonly (readonly [Record<string, unknown>, string])[] = [
    [{}, ""],
    [
      withServer({ takeover: "probe" }),
      "internal-server-settings.takeover strict -> probe at_once",
    ],
    [
      withServer({ limits: { "answer-ms": 100 } }),
      "internal-server-settings.limits.answer-ms 250 -> 100 at_once",
    ],
    [withServer({ port: 9 }), "internal-server-settings.port 8888 -> 9 reconnect"],
    [
      { "module-paths": { "7": "lib.so", "1000": "lib.so" } },
      "module-paths 7 /srv/lib.so, 1000 /srv/both.so -> 7 /srv/lib.so, 1000 /srv/lib.so new_hosts",
    ],
    [
      withEndpoint({ port: 1884 }),
      "external-connection.endpoints 1 mqtt://broker.test:1883 -> 1 mqtt://broker.test:1884 reconnect",
    ],
    [{ http: {} }, "http.address nothing -> 127.0.0.1 restart,http.port nothing -> 8080 restart"],
    [
      { logging: { ...REFERENCE.logging, console: { level: "ERROR" } } },
      "logging.console.level DEBUG -> ERROR at_once",
    ],
  ];
  for (const [more, expected] of changes) {
    const difference = compareGateways(config, load(more).config);
    const said = difference.map(({ key, from, to, takes }) => `${key} ${from} -> ${to} ${takes}`);
    assert.equal(said.join(","), expected);
  }
  assert.deepEqual(gatewayWithoutRestart(config, load({ http: {} }).config).http, undefined);
});

Deno.test("secrets are compared, and not shown", () => {
  const password = (text: string) =>
    load(withEndpoint({ "mqtt-settings": { username: "me", password: text } })).config;
  const [change, ...others] = compareGateways(password("one"), password("two"));
  assert.deepEqual(others, []);
  assert.doesNotMatch(JSON.stringify(change), /one|two/);
});

Deno.test("every key says what it is for", () => {
  for (const { path, key } of keysOf(GATEWAY)) assert.ok(key.doc.length > 10, path);
});

Deno.test("a server's and a gateway's configuration are not taken for each other", () => {
  const expect = (run: () => unknown, message: RegExp) =>
    assert.throws(run, (error) => error instanceof ConfigError && message.test(error.message));
  expect(() => parseConfig(REFERENCE, place), /that of a Module Gateway/);
  expect(() => parseGatewayConfig(documented(), place), /that of a server/);
});
