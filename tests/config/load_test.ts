// Configuration files: what is wrong with a file as a whole, and a round trip through the effective document.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { compareConfigs, isSame } from "../../src/config/plan/compare.ts";
import { effectiveDocument } from "../../src/config/plan/effective.ts";
import { ConfigError } from "../../src/config/errors.ts";
import { parseGatewayConfig } from "../../src/config/resolve/gateway.ts";
import { loadConfig, parseConfig } from "../../src/config/load.ts";
import { masked, parseEffective } from "../../src/config/plan/masked.ts";
import { TempFolder } from "../support/temp.ts";
import {
  documented,
  external,
  lines,
  load,
  place,
  singleCar,
  withModuleConfig,
} from "./support.ts";

async function problemsOf(path: string) {
  try {
    await loadConfig(path);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return { problems: lines(error.problems), warnings: lines(error.warnings) };
  }
  throw new assert.AssertionError({ message: `Expected a ConfigError: "${path}" loads` });
}

Deno.test("loadConfig() reads a file and looks libraries up beside it [CONFIG-FILES]", async () => {
  await using folder = await TempFolder.make();
  await folder.write("lib.so", "");
  const path = await folder.write("config.json", `\ufeff${JSON.stringify(documented())}`);
  const { config, dialect } = await loadConfig(path);
  assert.equal(dialect, "A");
  assert.equal(config.cars[0]?.modules[0]?.libPath, folder.file("lib.so"));
});

Deno.test("loadConfig() gives modules the text of numbers as the file has it [MODULE-CONFIG] [CONFIG-VALUES]", async () => {
  await using folder = await TempFolder.make();
  await folder.write("lib.so", "");
  const written = {
    whole: "5",
    point: "5.0",
    zeros: "0.10",
    id: "12345678901234567890",
    negative: "-9007199254740993",
    power: "1E3",
    huge: "1e400",
  };
  const texts = Object.entries(written).map(([key, text]) => `"${key}": ${text}`).join(", ");
  const document = JSON.stringify(withModuleConfig("HERE")).replace('"HERE"', `{ ${texts} }`);
  const path = await folder.write("config.json", document);
  const { config, warnings } = await loadConfig(path);
  assert.deepEqual(config.cars[0]?.modules[0]?.parameters, Object.entries(written));
  assert.deepEqual(warnings, []);
  // So that a reload of the same file changes nothing, here and seen from another machine.
  assert.ok(isSame(compareConfigs(config, (await loadConfig(path)).config)));
  const shown = JSON.parse(JSON.stringify(effectiveDocument(config)));
  assert.ok(isSame(compareConfigs(parseEffective(shown, "server"), masked(config))));
  const rounded = await folder.write("config.json", document.replace("567890", "567000"));
  const { changed } = compareConfigs(config, (await loadConfig(rounded)).config);
  assert.deepEqual(changed[0]?.modules[0]?.keys, ["config.id"]);
});

Deno.test("loadConfig() says why a file cannot be read", async () => {
  await using folder = await TempFolder.make();
  const missing = folder.file("none.json");
  assert.deepEqual((await problemsOf(missing)).problems, [
    `${missing}: Expected a readable file: no such file`,
  ]);
  assert.deepEqual((await problemsOf(folder.path)).problems, [
    `${folder.path}: Expected a readable file: is a directory, not a regular file`,
  ]);
  // It never ends.
  assert.deepEqual((await problemsOf("/dev/zero")).problems, [
    "/dev/zero: Expected a readable file: is a device, not a regular file",
  ]);
  assert.deepEqual((await problemsOf("")).problems, [
    `${Deno.cwd()}: Expected a readable file: is a directory, not a regular file`,
  ]);
});

Deno.test("loadConfig() refuses what is not UTF-8: a password would silently change", async () => {
  await using folder = await TempFolder.make();
  await folder.write("lib.so", "");
  const path = await folder.write("config.json", "");
  const text = JSON.stringify({
    ...documented(),
    mqtt_username: "a",
    mqtt_password: "stra\u00dfe",
  });
  Deno.writeFileSync(path, Uint8Array.from(text, (character) => character.charCodeAt(0)));
  assert.deepEqual((await problemsOf(path)).problems, [
    `${path}: Expected a readable file: is not UTF-8 text`,
  ]);
  Deno.writeTextFileSync(path, text);
  assert.equal((await loadConfig(path)).config.broker.password, "stra\u00dfe");
});

Deno.test("loadConfig() takes no name that does not fit into a topic", async () => {
  await using folder = await TempFolder.make();
  await folder.write("lib.so", "");
  const long = "c".repeat(30_001);
  const text = JSON.stringify({ ...documented(), company_name: long, cars: { [long]: {} } });
  const { problems } = await problemsOf(await folder.write("config.json", text));
  assert.deepEqual(problems.map((line) => line.replace(/c{9,}/g, "C").split(": found")[0]), [
    "company_name: Expected a company's name of at most 30000 characters",
    'cars["C..."]: Expected a car\'s name of at most 30000 characters',
  ]);
});

Deno.test("loadConfig() names line and column of a mistake in the JSON", async () => {
  await using folder = await TempFolder.make();
  const path = await folder.write("config.json", '{\n  "mqtt_password": hunter2\n}');
  assert.deepEqual((await problemsOf(path)).problems, [
    `${path}: Expected a value or a quoted key at line 2, column 20: found a bare word`,
  ]);
});

Deno.test("loadConfig() warns of keys given twice, also beside problems", async () => {
  await using folder = await TempFolder.make();
  await folder.write("lib.so", "");
  const text = JSON.stringify(documented()).replace("{", '{"mqtt_port": 1,\n');
  const path = await folder.write("config.json", text);
  const warning = "mqtt_port: Key given twice: the last one counts, on line 2";
  assert.deepEqual(lines((await loadConfig(path)).warnings), [warning]);
  await folder.write("config.json", text.replace("1883", "0"));
  assert.deepEqual((await problemsOf(path)).warnings, [warning]);
});

const part = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>("lib.so", "localhost", "7", {}, { "7": { lib_path: "lib.so" } }),
);
const anyKey = fc.oneof(
  fc.string(),
  fc.constantFrom(
    ...["company_name", "mqtt_address", "mqtt_port", "mqtt_password", "mqtt_password_file"],
    ...["external_communication", "cars", "common_modules", "car_name", "modules", "logging"],
    ...["limits", "log_files_directory", "timeout", "__proto__", "constructor", "toString"],
  ),
);
const anyDocument = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.tuple(
    fc.constantFrom(documented(), external(), singleCar(), {}),
    fc.dictionary(anyKey, part, { maxKeys: 4 }),
  ).map(([base, more]) => ({ ...base, ...more })),
);

Deno.test("parseConfig() resolves any JSON document or throws a ConfigError, nothing else", () => {
  fc.assert(
    fc.property(anyDocument, (document) => {
      let findings;
      try {
        const loaded = load(document);
        assert.ok(loaded.config.cars.length > 0);
        assert.ok(loaded.config.cars.every((car) => car.modules.length > 0));
        findings = loaded.warnings;
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        assert.ok(error.problems.length > 0);
        findings = [...error.problems, ...error.warnings];
      }
      for (const { path, message } of findings) {
        assert.ok(path.length > 0);
        // deno-lint-ignore no-control-regex -- that none is left is the point
        assert.doesNotMatch(path + message, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      }
    }),
    { numRuns: 3000 },
  );
});

const gatewayKey = fc.oneof(
  fc.string(),
  fc.constantFrom(
    ...["logging", "internal-server-settings", "module-paths", "module-binary-path"],
    ...["module-permissions", "external-connection", "http", "port", "tokens", "push-of", "limits"],
    ...["endpoints", "modules", "mqtt-settings", "server-ip", "7", "__proto__", "constructor"],
  ),
);
const gatewayPart = fc.letrec<{ part: unknown; record: unknown }>((tie) => ({
  part: fc.oneof(
    { depthSize: "small" },
    fc.jsonValue({ maxDepth: 1 }),
    fc.constantFrom<unknown>("lib.so", "localhost", 7, [7], ["7"], {}, [{}]),
    tie("record"),
    fc.array(tie("record"), { maxLength: 2 }),
  ),
  record: fc.dictionary(gatewayKey, tie("part"), { maxKeys: 4 }),
})).record;

Deno.test("parseGatewayConfig() resolves any JSON document or throws a ConfigError, nothing else", () => {
  fc.assert(
    fc.property(gatewayPart, (document) => {
      try {
        assert.ok(parseGatewayConfig(document, place).config.endpoints.length > 0);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        assert.ok(error.problems.length > 0);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("parseConfig() never shows a secret, wherever it is", () => {
  const marked = fc.constantFrom<unknown>(
    "hunter2",
    ["hunter2"],
    { a: "hunter2" },
    { password: { token: "hunter2" } },
  );
  const secretKey = fc.constantFrom("password", "api_key", "token", "client_secret");
  fc.assert(fc.property(marked, secretKey, fc.boolean(), (value, key, inConfig) => {
    const config = inConfig ? { [key]: value } : value;
    const document = external({ mqtt_password: inConfig ? value : 5, [key]: value });
    const common_modules = { "7": { lib_path: "none.so", config } };
    assert.throws(() => load({ ...document, common_modules }), (error) => {
      assert.ok(error instanceof ConfigError);
      const shown = [error.message, ...lines(error.warnings)].join("\n");
      assert.doesNotMatch(shown, /hunter2/);
      return true;
    });
  }));
});

const word = fc.stringMatching(/^[a-z0-9_]{1,8}$/).filter((name) => name !== "__proto__");
const seconds = fc.integer({ min: 1, max: 2_147_483_000 }).map((ms) => ms / 1000);
const modules = (from: number) =>
  fc.dictionary(
    fc.integer({ min: from, max: from + 998 }).map(String),
    fc.record({
      lib_path: fc.constantFrom("lib.so", "beside.so", "/etc/fleet/both.so"),
      config: fc.dictionary(
        fc.string().filter((key) => key !== "__proto__"),
        fc.oneof(fc.string(), fc.boolean(), fc.integer()),
      ),
      timeout_ms: fc.integer({ min: 1, max: 100_000 }),
    }, { requiredKeys: ["lib_path"] }),
    { minKeys: 1, maxKeys: 3 },
  );
const validDocument = fc.record({
  company_name: word,
  mqtt_address: fc.constantFrom("host", "::1", "mqtts://host:1", "ws://[::1]/a", "wss://host/"),
  mqtt_port: fc.integer({ min: 1, max: 65_535 }),
  mqtt_timeout: seconds,
  timeout: seconds,
  module_call_timeout: seconds,
  sleep_duration_after_connection_refused: seconds,
  send_invalid_command: fc.boolean(),
  mqtt_username: fc.string({ minLength: 1 }),
  limits: fc.record({ max_devices: fc.integer({ min: 1, max: 5000 }) }, { requiredKeys: [] }),
  logging: fc.record({
    console: fc.record({ use: fc.boolean(), level: fc.constantFrom("DEBUG", "error") }),
    file: fc.record({ use: fc.boolean(), format: fc.constantFrom("text", "json"), path: word }),
  }, { requiredKeys: [] }),
  log_files_to_keep: fc.integer({ min: 0, max: 100 }),
  event_log: fc.record({ directory: word }),
  common_modules: modules(1),
  cars: fc.dictionary(word, fc.record({ specific_modules: modules(1000) }, { requiredKeys: [] }), {
    minKeys: 1,
    maxKeys: 4,
  }),
}, { requiredKeys: ["company_name", "mqtt_address", "common_modules", "cars"] });

Deno.test("effectiveDocument() resolves to the configuration it was written from", () => {
  fc.assert(fc.property(validDocument, (document) => {
    const { config } = load(document);
    const written = JSON.parse(JSON.stringify(effectiveDocument(config, { showSecrets: true })));
    const again = parseConfig(written, place);
    assert.equal(again.dialect, "B");
    // As JSON, for the order of keys that look like numbers is the engine's in both.
    assert.deepEqual(again.config, config);
  }));
});

Deno.test("parseConfig() takes the event log's directory, that of the command line first", () => {
  const eventLog = (overrides = {}, document = documented({ event_log: { directory: "a" } })) =>
    load(document, overrides).config.eventLog;
  const defaults = { durability: "batch", maxBytes: 10_737_418_240, maxAgeHours: 720 };
  assert.deepEqual(eventLog(), { directory: "/srv/a", ...defaults });
  assert.equal(eventLog({ eventLog: "b" })?.directory, "/srv/b");
  assert.deepEqual(eventLog({ eventLog: "/b" }, documented()), { directory: "/b", ...defaults });
  assert.equal(eventLog({}, documented()), undefined);
});
