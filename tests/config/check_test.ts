// What `check` and `schema` print, and the files in config/.
import assert from "node:assert/strict";
import * as z from "zod";
import { runCheck } from "../../src/cli/check.ts";
import type { Output } from "../../src/text/output.ts";
import { runSchema } from "../../src/cli/schema.ts";
import { systemFiles } from "../../src/config/files.ts";
import { configJsonSchema } from "../../src/config/keys/json_schema.ts";
import { loadConfig } from "../../src/config/load.ts";
import { configSource } from "../../src/config/source.ts";
import { TempFolder } from "../support/temp.ts";
import { documented, external, singleCar, withModuleConfig } from "./support.ts";

const CONFIG_FOLDER = new URL("../../config/", import.meta.url);

/** The examples, and the dialect each shows. */
const EXAMPLES = {
  "documented.json": "A",
  "external-communication.json": "B",
  "single-car.json": "C",
  "container.json": "A",
  "compose.json": "A",
};

class RecordedOutput implements Output {
  readonly lines = { out: [] as string[], err: [] as string[] };

  out(line: string): void {
    this.lines.out.push(line);
  }

  err(line: string): void {
    this.lines.err.push(line);
  }
}

Deno.test("runCheck() prints every problem on a line of its own and returns 1 [CONFIG-PROBLEMS]", async () => {
  await using folder = await TempFolder.make();
  const document = documented({ mqtt_port: 0, timeout: "5", mqtt_prot: 3 });
  const config = await folder.write("config.json", JSON.stringify(document));
  const output = new RecordedOutput();
  assert.equal(await runCheck({ config, overrides: { tls: {} } }, output), 1);
  assert.deepEqual(output.lines.out, []);
  assert.equal(output.lines.err.length, 6);
  const [warning, ...problems] = output.lines.err;
  assert.equal(warning, `warning: ${config}: mqtt_prot: Unknown key: did you mean "mqtt_port"?`);
  assert.equal(problems.pop(), "4 errors, 1 warning");
  assert.deepEqual(problems.map((line) => line.slice(0, line.indexOf(": Expected "))), [
    `error: ${config}: timeout`,
    `error: ${config}: mqtt_port`,
    "error: --ca",
    `error: ${config}: common_modules.7.lib_path`,
  ]);
});

Deno.test("runCheck() prints the effective configuration, secrets masked, and returns 0", async () => {
  await using folder = await TempFolder.make();
  const lib = await folder.write("lib.so", "");
  const document = {
    ...withModuleConfig({
      api_key: "hunter2",
      api_url: "http://a:hunter2@host",
      connection_string: "hunter2",
      n: 5,
    }),
    mqtt_username: "me",
    mqtt_password: "hunter2",
    logging: { file: { path: folder.path } },
  };
  const config = await folder.write("config.json", JSON.stringify(document));
  const output = new RecordedOutput();
  assert.equal(await runCheck({ config }, output), 0);
  assert.deepEqual(output.lines.err, ["ok: 1 car, 1 module"]);
  const printed = output.lines.out.join("\n");
  assert.deepEqual(JSON.parse(printed), {
    company_name: "company",
    external_communication: {
      protocol: "MQTT",
      server_address: "localhost",
      server_port: 1883,
      timeout_ms: 30_000,
      mqtt_username: "me",
      mqtt_password: "***",
    },
    timeout: 30,
    module_call_timeout: 30,
    send_invalid_command: false,
    sleep_duration_after_connection_refused: 0.5,
    limits: {
      max_message_bytes: 1_048_576,
      max_messages_per_second: 10_000,
      max_devices: 1000,
      max_status_gap: 1000,
      max_waiting_statuses: 1000,
      max_waiting_bytes: 16_777_216,
      max_waiting_commands: 10_000,
      max_waiting_command_bytes: 16_777_216,
      max_unanswered_commands: 500,
      max_host_memory_bytes: 0,
    },
    health: {
      window_ms: 30_000,
      refused_percent: 10,
      slow_response_ms: 5000,
      backlog: 20,
      settle_ms: 30_000,
      switched_off_ms: 3_600_000,
    },
    map: { latitude: "latitude", longitude: "longitude", tiles: "", attribution: "" },
    logging: {
      console: { use: true, level: "INFO", format: "text" },
      file: { use: true, level: "INFO", format: "text", path: folder.path },
    },
    log_files_to_keep: 5,
    log_file_max_size_bytes: 10_000_000,
    cars: {
      car_1: {
        specific_modules: {
          "7": {
            lib_path: lib,
            config: {
              api_key: "***",
              api_url: "http://***@host",
              connection_string: "***",
              n: "5",
            },
            timeout_ms: 1000,
          },
        },
      },
    },
  });
  const again = new RecordedOutput();
  await runCheck({ config }, again);
  assert.equal(again.lines.out.join("\n"), printed);

  const whole = new RecordedOutput();
  await runCheck({ config, showConfigValues: true }, whole);
  const shown = JSON.parse(whole.lines.out.join("\n"));
  assert.deepEqual(shown.cars.car_1.specific_modules["7"].config, {
    api_key: "hunter2",
    api_url: "http://a:hunter2@host",
    connection_string: "hunter2",
    n: "5",
  });
  assert.equal(shown.external_communication.mqtt_password, "***");
});

Deno.test("loadConfig() loads the examples as they are, without a warning", async () => {
  for (const [name, dialect] of Object.entries(EXAMPLES)) {
    const looked: string[] = [];
    const source = configSource(new URL(name, CONFIG_FOLDER).pathname, {
      ...systemFiles,
      // The example module need not be compiled for this.
      kind(path) {
        looked.push(path);
        return Promise.resolve("file");
      },
    });
    const loaded = await loadConfig(source);
    assert.equal(loaded.dialect, dialect, name);
    // Only this machine can reach the port that a container publishes.
    const paths = name === "compose.json" ? ["http.tls_cert"] : [];
    assert.deepEqual(loaded.warnings.map(({ path }) => path), paths, name);
    const library = /^(container|compose)\.json$/.test(name)
      ? /^\/usr\/local\/lib\/external-server\/example_module\.so$/
      : /\/examples\/module\/build\/example_module\.so$/;
    for (const path of looked) assert.match(path, library);
  }
});

for (
  const [what, name] of [
    ["config", "external-server.schema.json"],
    ["gateway", "module-gateway.schema.json"],
  ] as const
) {
  Deno.test(`runSchema() prints ${name} as it is checked in (deno task schema writes it)`, async () => {
    const output = new RecordedOutput();
    assert.equal(await runSchema(output, what), 0);
    const file = Deno.readTextFileSync(new URL(name, CONFIG_FOLDER));
    assert.equal(output.lines.out.join("\n") + "\n", file);
  });
}

for (
  const [what, name] of [
    ["keys", "configuration_keys"],
    ["gateway-keys", "gateway_keys"],
    ["api", "api"],
  ] as const
) {
  Deno.test(`runSchema() prints the page ${name}.md that is checked in (deno task schema writes it)`, async () => {
    const output = new RecordedOutput();
    assert.equal(await runSchema(output, what), 0);
    const page = new URL(`../docs/${name}.md`, CONFIG_FOLDER);
    assert.equal(output.lines.out.join("\n") + "\n", Deno.readTextFileSync(page));
  });
}

Deno.test("configJsonSchema() takes every dialect and the examples, and refuses mistakes", () => {
  const schema = z.fromJSONSchema(configJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  const examples = Object.keys(EXAMPLES)
    .map((name) => JSON.parse(Deno.readTextFileSync(new URL(name, CONFIG_FOLDER))));
  for (const document of [documented(), external(), singleCar(), ...examples]) {
    assert.equal(schema.safeParse(document).success, true, JSON.stringify(document));
  }
  for (
    const document of [
      {},
      documented({ mqtt_prot: 1 }),
      documented({ timeout: "5" }),
      documented({ cars: { "Car 1": {} } }),
      documented({ common_modules: { seven: { lib_path: "lib.so" } } }),
      external({ timeout_ms: 0 }),
      singleCar({ logging: { console: { level: "LOUD" } } }),
    ]
  ) assert.equal(schema.safeParse(document).success, false, JSON.stringify(document));
});

Deno.test("configJsonSchema() describes every key", () => {
  const missing: string[] = [];
  const visit = (value: unknown, path: string) => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      if (key !== "properties") {
        visit(child, `${path}/${key}`);
        continue;
      }
      for (const [name, property] of Object.entries<Record<string, unknown>>(child)) {
        if (typeof property.description !== "string") missing.push(`${path}/${name}`);
        visit(property, `${path}/${name}`);
      }
    }
  };
  visit(configJsonSchema(), "");
  assert.deepEqual(missing, []);
});

Deno.test("runCheck() compiles the expressions of channels, and tries them on an example", async () => {
  await using folder = await TempFolder.make();
  const check = async (channel: Record<string, unknown>) => {
    const document = {
      ...documented(),
      common_modules: { 7: { lib_path: await folder.write("lib.so", "") } },
      event_log: { directory: folder.file("events") },
      state_dir: folder.file("state"),
      sinks: {
        lake: {
          kind: "file",
          directory: folder.file("lake"),
          decoders: { 7: { kind: "json" } },
          channels: { fast: channel },
        },
      },
    };
    const config = await folder.write("config.json", JSON.stringify(document));
    const output = new RecordedOutput();
    const code = await runCheck({ config, quiet: true }, output);
    return [code, ...output.lines.err.map((line) => line.replace(`${config}: `, ""))];
  };
  assert.deepEqual(await check({ where: 'car == "a"', map: "decoded" }), [
    0,
    "ok: 1 car, 1 module",
  ]);
  assert.deepEqual(await check({ where: "car ==", map: "$sum(" }), [
    1,
    "error: sinks.lake.channels.fast.where: Expected an expression that can be used: " +
    "at character 7: Unexpected token: EOF",
    "error: sinks.lake.channels.fast.map: Expected an expression that can be used: " +
    'at character 6: Expected ")" before end of expression',
    "2 errors",
  ]);
  assert.deepEqual(await check({ where: "decoded.speed > 1.0" }), [
    0,
    'warning: sinks.lake.channels.fast.where: Not tried: give the channel an "example" that has ' +
    "it: at character 9: No such key: speed",
    "ok: 1 car, 1 module, 1 warning",
  ]);
  const example = { decoded: { speed: "slow" } };
  const [code, problem] = await check({ where: "decoded.speed > 1.0", example });
  assert.equal(code, 1);
  assert.match(String(problem), /fast\.where: .*at character 1: no such overload/);
});
