// Every dialect ends in the same form.
import assert from "node:assert/strict";
import { effectiveDocument } from "../../src/config/plan/effective.ts";
import type { ServerConfig } from "../../src/config/resolve/config.ts";
import { documented, external, lines, load, singleCar } from "./support.ts";

/** What the least document of dialect A means. */
const LEAST: ServerConfig = {
  company: "company",
  broker: { protocol: "mqtt", host: "localhost", port: 1883, path: "" },
  timeouts: { sessionMs: 30_000, responseMs: 30_000, moduleCallMs: 30_000, refusedPauseMs: 500 },
  limits: {
    maxMessageBytes: 1_048_576,
    maxMessagesPerSecond: 10_000,
    maxDevices: 1000,
    maxStatusGap: 1000,
    maxWaitingStatuses: 1000,
    maxWaitingBytes: 16_777_216,
    maxWaitingCommands: 10_000,
    maxWaitingCommandBytes: 16_777_216,
    maxUnansweredCommands: 500,
    maxHostMemoryBytes: 0,
  },
  health: {
    windowMs: 30_000,
    refusedPercent: 10,
    slowResponseMs: 5000,
    backlog: 20,
    settleMs: 30_000,
    switchedOffMs: 3_600_000,
  },
  map: { latitude: "latitude", longitude: "longitude", tiles: "", attribution: "" },
  sendInvalidCommand: false,
  logging: {
    console: { use: true, level: "INFO", format: "text" },
    file: {
      use: false,
      level: "INFO",
      format: "text",
      directory: "/srv",
      maxBytes: 10_000_000,
      keep: 5,
    },
  },
  cars: [{
    name: "car_1",
    modules: [{ id: 7, libPath: "/srv/lib.so", parameters: [], waitTimeoutMs: 1000 }],
  }],
};

Deno.test("parseConfig() fills in every default in dialect A [CONFIG-DOCUMENTED]", () => {
  assert.deepEqual(load(documented()), { config: LEAST, warnings: [], dialect: "A" });
});

Deno.test("parseConfig() takes the broker from external_communication in dialect B [CONFIG-EXTERNAL]", () => {
  assert.deepEqual(load(external()), {
    config: { ...LEAST, timeouts: { ...LEAST.timeouts, sessionMs: 2500 } },
    warnings: [],
    dialect: "B",
  });
});

Deno.test("parseConfig() takes a single car in dialect C [CONFIG-SINGLE-CAR]", () => {
  assert.deepEqual(load(singleCar()), { config: LEAST, warnings: [], dialect: "C" });
});

Deno.test("parseConfig() turns the log file on in dialect C when it has a directory [CONFIG-SINGLE-CAR]", () => {
  const { config } = load(singleCar({
    log_files_directory: "log",
    log_files_to_keep: 0,
    log_file_max_size_bytes: 0,
  }));
  assert.deepEqual(config.logging.file, {
    use: true,
    level: "INFO",
    format: "text",
    directory: "/srv/log",
    maxBytes: 0,
    keep: 0,
  });
  const empty = load(singleCar({ log_files_directory: "" })).config.logging.file;
  assert.equal(empty.use, true);
  assert.equal(empty.directory, "/srv");
});

Deno.test("parseConfig() takes a single car with external_communication, too", () => {
  const { car_name, modules } = singleCar();
  const { company_name, external_communication } = external();
  const loaded = load({ company_name, external_communication, car_name, modules });
  assert.equal(loaded.dialect, "C");
  assert.equal(loaded.config.timeouts.sessionMs, 2500);
  assert.deepEqual(loaded.config.cars, LEAST.cars);
});

Deno.test("parseConfig() turns seconds into milliseconds [CONFIG-DOCUMENTED]", () => {
  const { config } = load(documented({
    mqtt_timeout: 1.5,
    timeout: 0.0001,
    module_call_timeout: 60,
    sleep_duration_after_connection_refused: 0,
  }));
  assert.deepEqual(config.timeouts, {
    sessionMs: 1500,
    responseMs: 1,
    moduleCallMs: 60_000,
    refusedPauseMs: 0,
  });
});

Deno.test("parseConfig() reads logging, levels in any case [CONFIG-DOCUMENTED]", () => {
  const { config } = load(documented({
    logging: {
      console: { use: false, level: "debug", format: "json" },
      file: { level: "Critical", path: "/var/log/fleet" },
    },
  }));
  assert.deepEqual(config.logging.console, { use: false, level: "DEBUG", format: "json" });
  assert.deepEqual(config.logging.file, {
    ...LEAST.logging.file,
    use: true,
    level: "CRITICAL",
    directory: "/var/log/fleet",
  });
  const off = load(documented({ logging: { file: { use: false } } })).config.logging.file;
  assert.equal(off.use, false);
});

Deno.test("parseConfig() keeps the order of cars and puts common modules first", () => {
  const { config } = load(documented({
    cars: { zulu: { specific_modules: { "3": { lib_path: "lib.so" } } }, alpha: {} },
  }));
  assert.deepEqual(config.cars.map((car) => [car.name, car.modules.map(({ id }) => id)]), [
    ["zulu", [7, 3]],
    ["alpha", [7]],
  ]);
});

Deno.test("parseConfig() makes text of module config values [MODULE-CONFIG]", () => {
  const { config, warnings } = load(documented({
    common_modules: {
      "007": {
        lib_path: "lib.so",
        config: { text: "a", yes: true, no: false, half: 0.5, car_name: "other" },
        timeout_ms: 5,
      },
    },
  }));
  assert.deepEqual(config.cars[0]?.modules, [{
    id: 7,
    libPath: "/srv/lib.so",
    parameters: [
      ["text", "a"],
      ["yes", "true"],
      ["no", "false"],
      ["half", "0.5"],
      ["car_name", "other"],
    ],
    waitTimeoutMs: 5,
  }]);
  assert.deepEqual(lines(warnings), []);
});

Deno.test("parseConfig() takes modules that are asked for commands without waiting [CONFIG-DOCUMENTED]", () => {
  const modules = { "7": { lib_path: "lib.so", timeout_ms: 0 } };
  const { config, warnings } = load(documented({ common_modules: modules }));
  assert.equal(config.cars[0]?.modules[0]?.waitTimeoutMs, 0);
  assert.deepEqual(lines(warnings), []);
  assert.deepEqual(load(effectiveDocument(config)).config, config);
});

Deno.test("parseConfig() looks libraries up from the working directory first [CONFIG-FILES]", () => {
  const libPath = (lib_path: string) =>
    load(documented({ common_modules: { "7": { lib_path } } })).config.cars[0]?.modules[0]?.libPath;
  assert.equal(libPath("both.so"), "/srv/both.so");
  assert.equal(libPath("./beside.so"), "/etc/fleet/beside.so");
  assert.equal(libPath("/etc/fleet/both.so"), "/etc/fleet/both.so");
});

Deno.test("parseConfig() warns of what has no effect or is misspelled [CONFIG-UNKNOWN-KEYS]", () => {
  const cases: readonly (readonly [Record<string, unknown>, string[]])[] = [
    [documented({ mqtt_tiemout: 3 }), ['mqtt_tiemout: Unknown key: did you mean "mqtt_timeout"?']],
    [documented({ MqttTimeout: 3 }), ['MqttTimeout: Unknown key: did you mean "mqtt_timeout"?']],
    [documented({ whatever: 3 }), ["whatever: Unknown key: it is ignored"]],
    [documented({ max_devices: 3 }), ['max_devices: Unknown key: it belongs in "limits"']],
    [documented({ ca_certs_file: "ca.pem" }), [
      'ca_certs_file: Unknown key: it belongs in "external_communication"',
    ]],
    [documented({ limits: { timeout: 3 } }), [
      "limits.timeout: Unknown key: it belongs at the top level",
    ]],
    [documented({ cars: { a: { specific_module: {} } } }), [
      'cars.a.specific_module: Unknown key: did you mean "specific_modules"?',
    ]],
    [documented({ cars: { a: { specfic: {} }, b: {} } }), [
      'cars.a.specfic: Unknown key: did you mean "specific_modules"?',
    ]],
    [documented({ "a b\n": 1 }), ['["a b\\n"]: Unknown key: it is ignored']],
    [documented({ car_name: "a" }), ['car_name: Key has no effect: "cars" names the cars']],
    [{ ...external(), mqtt_port: 1 }, [
      'mqtt_port: Key has no effect: "external_communication" names the broker',
    ]],
    [external({ ca_certs_file: "" }), [
      "external_communication.ca_certs_file: Key has no effect: it is empty",
    ]],
    [documented({ log_files_directory: "a", logging: { file: {} } }), [
      'log_files_directory: Key has no effect: "logging.file" decides',
    ]],
    [documented({ mqtt_address: "mqtt://host:2" }), [
      "mqtt_port: Two ports: 1883 is used, 2 in the address is ignored",
    ]],
    [documented({ $schema: "x" }), []],
  ];
  for (const [document, expected] of cases) {
    assert.deepEqual(lines(load(document).warnings), expected);
  }
});

Deno.test("parseConfig() warns when a common module names itself the same for several cars [MODULE-CONFIG]", () => {
  const common_modules = { "7": { lib_path: "lib.so", config: { car_name: "x", other: "y" } } };
  assert.deepEqual(lines(load(documented({ common_modules, cars: { a: {}, b: {} } })).warnings), [
    'common_modules.7.config.car_name: Same "car_name" for every car: the module is common',
  ]);
  assert.deepEqual(load(documented({ common_modules })).warnings, []);
});
