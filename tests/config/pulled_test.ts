// The section config_source, and what a document that was pulled may have.
import assert from "node:assert/strict";
import { readBootstrap } from "../../src/config/bootstrap.ts";
import { ConfigError } from "../../src/config/errors.ts";
import { parseConfig } from "../../src/config/load.ts";
import { canaryConfig } from "../../src/config/plan/canary.ts";
import { effectiveDocument } from "../../src/config/plan/effective.ts";
import { parseGatewayConfig } from "../../src/config/resolve/gateway.ts";
import { configSource } from "../../src/config/source.ts";
import { TempFolder } from "../support/temp.ts";
import { documented, external, failure, lines, load, place, withModuleConfig } from "./support.ts";

const SECTION = { url: "https://config.example/fleet.json", cache_dir: "/var/cache/fleet" };
const VARIABLES: Readonly<Record<string, string>> = {
  MISSION_KEY: "from the environment",
  CREDENTIALS_DIRECTORY: "/srv",
};
const PULLED = {
  ...place,
  isPulled: true,
  files: {
    kind: place.files.kind,
    readText: place.files.readText,
    script: place.files.script,
    variable: (name: string) => VARIABLES[name],
  },
};

function pulled(document: unknown) {
  return parseConfig(JSON.parse(JSON.stringify(document)), PULLED);
}

function pulledFailure(document: unknown): string[] {
  try {
    pulled(document);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return lines(error.problems);
  }
  throw new assert.AssertionError({ message: "Expected a ConfigError: the document loads" });
}

Deno.test("config_source is resolved with its defaults, and written as it is read", () => {
  const { config, warnings } = load(documented({ config_source: SECTION }));
  assert.deepEqual(config.configSource, {
    url: SECTION.url,
    cacheDir: "/var/cache/fleet",
    pollMs: 60_000,
    mode: "prefer",
    confirmMs: 120_000,
  });
  assert.deepEqual(warnings, []);
  assert.deepEqual(effectiveDocument(config).config_source, {
    ...SECTION,
    poll_s: 60,
    mode: "prefer",
    confirm_s: 120,
  });
});

Deno.test("config_source is refused with the key and the reason", () => {
  const wrong = {
    "config_source.url: Expected a URL": { ...SECTION, url: "ftp://config.example" },
    "without a login": { ...SECTION, url: "https://user:pass@config.example" },
    "config_source.cache_dir": { url: SECTION.url },
    "config_source.public_key: Expected a public key": { ...SECTION, public_key: "ed25519:abc" },
    "config_source.mode": { ...SECTION, mode: "never" },
    "config_source.api_key_file": { ...SECTION, api_key_file: "missing" },
  };
  for (const [expected, config_source] of Object.entries(wrong)) {
    const problems = lines(failure(documented({ config_source })).problems).join("\n");
    assert.ok(problems.includes(expected), problems);
  }
  const url = "http://config.example/fleet.json";
  const { warnings } = load(documented({ config_source: { ...SECTION, url } }));
  assert.match(
    lines(warnings).join(),
    /config_source.url: It comes over the network in clear text/,
  );
});

Deno.test("a local file needs nothing but its source, and stays readable", async () => {
  await using folder = await TempFolder.make();
  const text = JSON.stringify({ config_source: { ...SECTION, mode: "only" } });
  const file = configSource(await folder.write("config.json", text));
  const { section, source } = await readBootstrap(file);
  assert.equal(section?.mode, "only");
  await Deno.writeTextFile(folder.file("config.json"), "changed");
  assert.deepEqual([await source.read(), await source.read()], [text, "changed"]);
  const missing = await readBootstrap(configSource(folder.file("none.json")));
  assert.equal(missing.section, undefined);
  await assert.rejects(missing.source.read(), Deno.errors.NotFound);
  const wrong = configSource(await folder.write("wrong.json", '{"config_source": {"url": 1}}'));
  await assert.rejects(readBootstrap(wrong), ConfigError);
});

Deno.test("secrets never stand in a document that was pulled, in any dialect", () => {
  assert.deepEqual(
    pulledFailure(documented({
      mqtt_username: "a",
      mqtt_password: "secret",
      http: { api_key: "0123456789abcdef" },
      webhook: { url: "https://a.example", secret: "0123456789abcdef" },
    })).map((line) => line.split(":")[0]),
    ["mqtt_password", "http.api_key", "webhook.secret"],
  );
  assert.match(
    pulledFailure(external({ mqtt_username: "a", mqtt_password: "secret" })).join(),
    /^external_communication.mqtt_password: Expected no secret .* name in "mqtt_password_file"/,
  );
  const endpoint = {
    "protocol-type": "MQTT",
    "server-ip": "localhost",
    modules: [1],
    "mqtt-settings": { username: "a", password: "secret" },
  };
  const gateway = {
    "internal-server-settings": { port: 1 },
    "module-paths": { "1": "lib.so" },
    "external-connection": { company: "a", "vehicle-name": "b", endpoints: [endpoint] },
  };
  assert.throws(
    () => parseGatewayConfig(gateway, PULLED),
    /external-connection.endpoints.0.mqtt-settings.password: .*"password-file"/,
  );
});

Deno.test("names of secrets are resolved here: files, variables, credentials of systemd", () => {
  const names = {
    "password": "from file",
    "env:MISSION_KEY": "from the environment",
    "credential:password": "from file",
  };
  for (const [name, password] of Object.entries(names)) {
    const document = documented({ mqtt_username: "a", mqtt_password_file: name });
    assert.equal(pulled(document).config.broker.password, password);
    const value = withModuleConfig({ key: `\${${name === "password" ? `file:${name}` : name}}` });
    const [, text] = pulled(value).config.cars[0]?.modules[0]?.parameters[0] ?? [];
    assert.equal(text, password);
  }
  const wrong = {
    "env:NONE": /a variable of the environment that is set: found "env:NONE"/,
    "credential:../password": /the name of a credential after "credential:"/,
    "credential:none": /Expected an existing file: found none at "\/srv\/none"/,
  };
  for (const [name, expected] of Object.entries(wrong)) {
    const document = documented({ mqtt_username: "a", mqtt_password_file: name });
    assert.match(pulledFailure(document).join(), expected);
  }
  // In a local file, values of modules are what they always were.
  const local = load(withModuleConfig({ key: "${env:HOME}" })).config;
  assert.deepEqual(local.cars[0]?.modules[0]?.parameters, [["key", "${env:HOME}"]]);
});

Deno.test("a source in a document that was pulled has no effect", () => {
  const { config, warnings } = pulled(documented({ config_source: SECTION }));
  assert.equal(config.configSource, undefined);
  assert.match(lines(warnings).join(), /config_source: Key has no effect/);
});

Deno.test("a canary has the cars of its labels, and everything else as it was", () => {
  const cars = { car_1: { labels: ["canary", "depot"] }, car_2: {}, car_3: { labels: ["depot"] } };
  const { config: running } = load(documented({ cars: { car_1: {}, car_2: {}, gone: {} } }));
  const { config: next } = load(documented({
    cars: { ...cars, car_4: { labels: ["canary"] } },
    timeout: 7,
    common_modules: { "8": { lib_path: "lib.so" } },
  }));
  const canary = canaryConfig(running, next, ["canary"]);
  assert.deepEqual(
    canary.cars.map(({ name, modules }) => [name, modules[0]?.id]),
    [["car_1", 8], ["car_2", 7], ["gone", 7], ["car_4", 8]],
  );
  assert.deepEqual(canary.timeouts, running.timeouts);
  assert.deepEqual(canaryConfig(running, { ...next, company: "other" }, ["canary"]), running);
  const written = effectiveDocument(next).cars as Record<string, { labels?: string[] }>;
  assert.deepEqual(written.car_1?.labels, ["canary", "depot"]);
});
