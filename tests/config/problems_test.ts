// What keeps the server from starting: everything at once, each with its path.
import assert from "node:assert/strict";
import { type ConfigError, Faults } from "../../src/config/errors.ts";
import { documented, external, failure, lines, singleCar, withModuleConfig } from "./support.ts";

const SECONDS = "a number of seconds, greater than 0 and at most 2147483";
const module7 = (more: Record<string, unknown>) =>
  documented({ common_modules: { "7": { lib_path: "lib.so", ...more } } });

/** A document, and every line it must give. */
const CASES: readonly (readonly [what: string, document: unknown, expected: string[]])[] = [
  ["is a list", [], ["(document): Expected an object: found a list"]],
  ["is null", null, ["(document): Expected an object: found null"]],
  ["is empty", {}, [
    "company_name: Expected a company's name: lowercase letters, digits and underscores, not empty: found nothing",
    "mqtt_address: Expected a host or an address such as mqtts://host, not empty: found nothing",
    "cars: Expected an object: found nothing",
  ]],
  ["has times as text", documented({ mqtt_timeout: "30", timeout: "5" }), [
    `timeout: Expected ${SECONDS}: found the string "5"`,
    `mqtt_timeout: Expected ${SECONDS}: found the string "30"`,
  ]],
  [
    "has times of nothing",
    documented({ mqtt_timeout: 0, timeout: -1, module_call_timeout: null }),
    [
      `timeout: Expected ${SECONDS}: found the number -1`,
      `module_call_timeout: Expected ${SECONDS}: found null`,
      `mqtt_timeout: Expected ${SECONDS}: found the number 0`,
    ],
  ],
  ["has a time no timer holds", documented({ timeout: 2_147_484 }), [
    `timeout: Expected ${SECONDS}: found the number 2147484`,
  ]],
  ["sleeps less than nothing", documented({ sleep_duration_after_connection_refused: -0.1 }), [
    "sleep_duration_after_connection_refused: Expected a number of seconds, 0 or more and at most 2147483: found the number -0.1",
  ]],
  ["has a boolean as text", documented({ send_invalid_command: "true" }), [
    'send_invalid_command: Expected true or false: found the string "true"',
  ]],
  ["has a port as text", documented({ mqtt_port: "1883" }), [
    'mqtt_port: Expected a port, a whole number from 1 to 65535: found the string "1883"',
  ]],
  ["has a port of no host", documented({ mqtt_port: 65_536 }), [
    "mqtt_port: Expected a port, a whole number from 1 to 65535: found the number 65536",
  ]],
  ["has a limit of 0", documented({ limits: { max_devices: 0, max_status_gap: 1.5 } }), [
    "limits.max_devices: Expected a whole number from 1 to 2147483647: found the number 0",
    "limits.max_status_gap: Expected a whole number from 1 to 2147483647: found the number 1.5",
  ]],
  [
    "lets hosts have less memory than they need",
    documented({ limits: { max_host_memory_bytes: 1_000_000 } }),
    [
      "limits.max_host_memory_bytes: Expected 0, or a whole number of bytes from 268435456 to " +
      "9007199254740991: found the number 1000000",
    ],
  ],
  [
    "has an unknown level and format",
    documented({
      logging: { console: { level: "LOUD", format: "JSON", use: 1 }, file: { path: 1 } },
    }),
    [
      "logging.console.use: Expected true or false: found the number 1",
      'logging.console.level: Expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL, in any letter case: found the string "LOUD"',
      'logging.console.format: Expected one of "text", "python", "json": found the string "JSON"',
      "logging.file.path: Expected the path of a directory: found the number 1",
    ],
  ],
  ["names the company badly", documented({ company_name: "Bring Auto" }), [
    `company_name: Expected a company's name: lowercase letters, digits and underscores, not empty: found the string "Bring Auto"`,
  ]],
  ["names cars badly", documented({ cars: { "Car 1": {}, "": {}, ok: {} } }), [
    `cars["Car 1"]: Expected a car's name: lowercase letters, digits and underscores, not empty: found the key "Car 1"`,
    `cars[""]: Expected a car's name: lowercase letters, digits and underscores, not empty: found the key ""`,
  ]],
  ["has no car", documented({ cars: {} }), ["cars: Expected at least one car: found none"]],
  ["has a car that is none", documented({ common_modules: {}, cars: { a: 5, b: null } }), [
    "cars.a: Expected an object: found a number",
    "cars.b: Expected an object: found null",
  ]],
  [
    "has cars without modules",
    documented({
      common_modules: {},
      cars: { a: {}, b: { specific_modules: {} } },
    }),
    [
      "cars.a.specific_modules: Expected at least one module, common or specific: found none",
      "cars.b.specific_modules: Expected at least one module, common or specific: found none",
    ],
  ],
  ["has modules that are none", documented({ common_modules: [], cars: { a: {} } }), [
    "common_modules: Expected an object: found a list",
  ]],
  [
    "has a module both common and specific",
    documented({
      cars: { car_1: { specific_modules: { "07": { lib_path: "lib.so" } } } },
    }),
    [
      "cars.car_1.specific_modules.07: Expected a module that is not common: also found common_modules.7",
    ],
  ],
  [
    "has a module twice",
    documented({
      common_modules: { "7": { lib_path: "lib.so" }, "007": { lib_path: "lib.so" } },
    }),
    ["common_modules.007: Expected each module once: also found common_modules.7"],
  ],
  [
    "has ids that are none",
    documented({
      common_modules: Object.fromEntries(
        ["0", "-1", "1.5", "seven", "2147483648", " 7"].map((id) => [id, { lib_path: "lib.so" }]),
      ),
    }),
    [[".0", "0"], [".2147483648", "2147483648"], [".-1", "-1"], ['["1.5"]', "1.5"], [
      ".seven",
      "seven",
    ], ['[" 7"]', " 7"]].map(([key, id]) =>
      `common_modules${key}: Expected a module id from 1 to 2147483647: found the key "${id}"`
    ),
  ],
  ["has a module without a library", documented({ common_modules: { "7": {} } }), [
    "common_modules.7.lib_path: Expected the path of a shared library or script, not empty: found nothing",
  ]],
  [
    "has a library that does not exist",
    documented({
      cars: { car_1: { specific_modules: { "8": { lib_path: "x/none.so" } } } },
    }),
    [
      'cars.car_1.specific_modules.8.lib_path: Expected an existing file: found none at "/srv/x/none.so" and "/etc/fleet/x/none.so"',
    ],
  ],
  ["has a library that is a directory", module7({ lib_path: "/srv/folder" }), [
    'common_modules.7.lib_path: Expected a file: found a directory at "/srv/folder"',
  ]],
  ["waits for commands without an end", module7({ timeout_ms: -1 }), [
    "common_modules.7.timeout_ms: Expected a whole number of milliseconds from 0 to 2147483647: found the number -1",
  ]],
  ["waits for a part of a millisecond", module7({ timeout_ms: 0.5 }), [
    "common_modules.7.timeout_ms: Expected a whole number of milliseconds from 0 to 2147483647: found the number 0.5",
  ]],
  [
    "has module config that is no value",
    withModuleConfig({ a: null, b: [], c: {}, "d.e": [] }),
    [
      ...["a: null", "b: a list", "c: an object"].map((each) => `.${each}`),
      '["d.e"]: a list',
    ].map((each) => {
      const [key, found] = each.split(": ");
      return `common_modules.7.config${key}: Expected a string, a number, true or false: found ${found}`;
    }),
  ],
  ["speaks another protocol", external({ protocol: "QUIC", timeout_ms: "2" }), [
    'external_communication.protocol: Expected the string "MQTT": found the string "QUIC"',
    'external_communication.timeout_ms: Expected a number of milliseconds, greater than 0 and at most 2147483647: found the string "2"',
  ]],
  ["has a broker that is a string", {
    ...external(),
    external_communication: "mqtt://me:hunter2@host",
  }, ["external_communication: Expected an object: found a string"]],
  ["is of a car without a name", singleCar({ car_name: undefined }), [
    "car_name: Expected a car's name: lowercase letters, digits and underscores, not empty: found nothing",
  ]],
  ["is of a car without modules", singleCar({ modules: {} }), [
    "modules: Expected at least one module: found none",
  ]],
  ["keeps half a file", singleCar({ log_files_to_keep: -1, log_file_max_size_bytes: 0.5 }), [
    "log_files_to_keep: Expected a whole number from 0 to 2147483647: found the number -1",
    "log_file_max_size_bytes: Expected a whole number of bytes from 0 to 9007199254740991: found the number 0.5",
  ]],
  ["has modules beside cars", documented({ modules: {} }), [
    `modules: Expected modules in "common_modules" or in a car's "specific_modules": found "modules" beside "cars"`,
  ]],
  ["has a key objects do not keep", JSON.parse('{"__proto__": 1}'), [
    '__proto__: Expected another key: found the key "__proto__"',
    "company_name: Expected a company's name: lowercase letters, digits and underscores, not empty: found nothing",
    "mqtt_address: Expected a host or an address such as mqtts://host, not empty: found nothing",
    "cars: Expected an object: found nothing",
  ]],
  ["is wrong everywhere", {
    company_name: 5,
    mqtt_address: "http://host",
    mqtt_password: "hunter2",
    common_modules: { "7": { lib_path: "none.so", config: { a: [] }, timeout_ms: "x" } },
    cars: { A: { specific_modules: { "07": { lib_path: "" } } } },
  }, [
    "company_name: Expected a company's name: lowercase letters, digits and underscores, not empty: found the number 5",
    "common_modules.7.config.a: Expected a string, a number, true or false: found a list",
    'common_modules.7.timeout_ms: Expected a whole number of milliseconds from 0 to 2147483647: found the string "x"',
    'cars.A.specific_modules.07.lib_path: Expected the path of a shared library or script, not empty: found the string ""',
    "mqtt_username: Expected a string, as there is a password: found nothing",
    'mqtt_address: Expected an address that begins with mqtt://, mqtts://, ws:// or wss://: found the string "http://host"',
    'common_modules.7.lib_path: Expected an existing file: found none at "/srv/none.so" and "/etc/fleet/none.so"',
    `cars.A: Expected a car's name: lowercase letters, digits and underscores, not empty: found the key "A"`,
    "cars.A.specific_modules.07: Expected a module that is not common: also found common_modules.7",
  ]],
];

for (const [what, document, expected] of CASES) {
  Deno.test(`parseConfig() names every problem when the document ${what} [CONFIG-PROBLEMS]`, () => {
    assert.deepEqual(lines(failure(document).problems), expected);
  });
}

Deno.test("parseConfig() keeps each problem on one line and short", () => {
  const { problems } = failure(documented({ company_name: `a\n\u2028\u0085${"x".repeat(500)}` }));
  const message = problems[0]?.message ?? "";
  assert.match(message, /found the string "a\\n\\u2028\\u0085x+\.\.\."$/);
  assert.ok(message.length < 200);
});

Deno.test("ConfigError says all of it in its message", () => {
  const error: ConfigError = failure(documented({ mqtt_port: 0, timeout: 0 }));
  assert.match(
    error.message,
    /^Cannot use the configuration "\(document\)": 2 problems\n {2}timeout: /,
  );
  assert.match(failure(documented({ timeout: 0 })).message, /: 1 problem\n {2}timeout: .*$/);
});

Deno.test("Faults keeps the first problem at a path", () => {
  const faults = new Faults();
  faults.problem("a", "first");
  faults.problem("a", "second");
  assert.deepEqual(faults.problems, [{ path: "a", message: "first" }]);
  assert.equal(faults.hasProblem("a"), true);
  assert.equal(faults.hasProblem("b"), false);
});
