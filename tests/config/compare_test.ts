// What differs between two configurations: everything is found, and only where it is.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { compareConfigs, isSame, withoutRestart } from "../../src/config/plan/compare.ts";
import { differenceLines } from "../../src/config/plan/difference_text.ts";
import type { Takes } from "../../src/config/keys/key.ts";
import type { CarConfig, ModuleConfig, ServerConfig } from "../../src/config/resolve/config.ts";
import { documented, load } from "./support.ts";

const base = load(documented({
  http: { port: 8080, api_key: "a-key-that-is-long-enough" },
  mqtt_username: "user",
  mqtt_password: "hidden",
  event_log: { directory: "events", max_bytes: 1, max_age_hours: 1 },
  state_dir: "state",
})).config;

const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,6}$/);
const anyModule: fc.Arbitrary<ModuleConfig> = fc.record({
  id: fc.integer({ min: 1, max: 9 }),
  libPath: fc.constantFrom("/a.so", "/b.so"),
  parameters: fc.uniqueArray(fc.tuple(name, fc.string({ maxLength: 5 })), {
    selector: ([key]) => key,
    maxLength: 4,
  }),
  waitTimeoutMs: fc.constantFrom(100, 1000),
});
const anyCar: fc.Arbitrary<CarConfig> = fc.record({
  name,
  modules: fc.uniqueArray(anyModule, { selector: ({ id }) => id, minLength: 1, maxLength: 4 }),
});
const anyConfig: fc.Arbitrary<ServerConfig> = fc
  .uniqueArray(anyCar, { selector: (car) => car.name, minLength: 1, maxLength: 8 })
  .map((cars) => ({ ...base, cars }));

function names(cars: readonly CarConfig[]): string[] {
  return cars.map((car) => car.name);
}

/** A configuration in which one car is another one. */
function withCar(config: ServerConfig, index: number, change: (car: CarConfig) => CarConfig) {
  const at = index % config.cars.length;
  const car = config.cars[at] as CarConfig;
  return { car: car.name, config: { ...config, cars: config.cars.with(at, change(car)) } };
}

Deno.test("compareConfigs() finds nothing between a configuration and itself, in any order", () => {
  fc.assert(fc.property(anyConfig, (config) => {
    const turned = {
      ...config,
      cars: config.cars.toReversed().map(({ name, modules }) => ({
        name,
        modules: modules.toReversed().map((module) => ({
          ...module,
          parameters: module.parameters.toReversed(),
        })),
      })),
    };
    const difference = compareConfigs(config, structuredClone(turned));
    assert.ok(isSame(difference));
    assert.deepEqual(difference.same, names(turned.cars));
    assert.deepEqual(differenceLines(difference), []);
  }));
});

Deno.test("compareConfigs() finds cars that were added and removed, and no others", () => {
  fc.assert(fc.property(anyConfig, anyConfig, (from, to) => {
    const { added, removed, changed, same, settings } = compareConfigs(from, to);
    const [before, after] = [names(from.cars), names(to.cars)];
    assert.deepEqual(added, after.filter((car) => !before.includes(car)));
    assert.deepEqual(removed, before.filter((car) => !after.includes(car)));
    const stay = [...changed.map(({ car }) => car), ...same].sort();
    assert.deepEqual(stay, after.filter((car) => before.includes(car)).sort());
    assert.deepEqual(settings, []);
  }));
});

const changes: Record<string, (module: ModuleConfig) => ModuleConfig> = {
  lib_path: (module) => ({ ...module, libPath: "/c.so" }),
  timeout_ms: (module) => ({ ...module, waitTimeoutMs: 77 }),
  "config.new key": (module) => ({
    ...module,
    parameters: [...module.parameters, ["new key", ""]],
  }),
};

for (const [key, change] of Object.entries(changes)) {
  Deno.test(`compareConfigs() finds a changed ${key} of one module, and touches only its car`, () => {
    fc.assert(fc.property(anyConfig, fc.nat(), fc.nat(), (from, at, which) => {
      let module = 0;
      const { car, config: to } = withCar(from, at, (old) => {
        const index = which % old.modules.length;
        const one = old.modules[index] as ModuleConfig;
        module = one.id;
        return { ...old, modules: old.modules.with(index, change(one)) };
      });
      const modules = [{ module, what: "changed", keys: [key] }];
      const difference = compareConfigs(from, to);
      assert.deepEqual(difference.changed, [{ car, modules }]);
      assert.deepEqual(difference.same, names(to.cars).filter((other) => other !== car));
      assert.deepEqual([...difference.added, ...difference.removed, ...difference.settings], []);
    }));
  });
}

Deno.test("compareConfigs() finds changed and removed values of a module's config", () => {
  fc.assert(fc.property(anyConfig, fc.nat(), (from, at) => {
    const first = from.cars[at % from.cars.length]?.modules[0];
    fc.pre(first !== undefined && first.parameters.length > 0);
    const [key = "", value = ""] = first?.parameters[0] ?? [];
    const alter = (parameters: (old: ModuleConfig["parameters"]) => ModuleConfig["parameters"]) =>
      withCar(from, at, ({ name, modules: [one, ...rest] }) => ({
        name,
        modules: one ? [{ ...one, parameters: parameters(one.parameters) }, ...rest] : rest,
      })).config;
    for (
      const to of [
        alter(([, ...rest]) => rest),
        alter(([, ...rest]) => [[key, `${value}!`], ...rest]),
      ]
    ) {
      const keys = compareConfigs(from, to).changed.flatMap(({ modules }) => modules[0]?.keys);
      assert.deepEqual(keys, [`config.${key}`]);
    }
  }));
});

Deno.test("compareConfigs() finds a module that was added to a car, or removed from it", () => {
  const module = (id: number) => ({ ...(base.cars[0]?.modules[0] as ModuleConfig), id });
  fc.assert(fc.property(anyConfig, fc.nat(), (from, at) => {
    const { car, config: to } = withCar(from, at, (old) => ({
      ...old,
      modules: [...old.modules, module(99)],
    }));
    const change = (what: string) => [{ car, modules: [{ module: 99, what, keys: [] }] }];
    assert.deepEqual(compareConfigs(from, to).changed, change("added"));
    assert.deepEqual(compareConfigs(to, from).changed, change("removed"));
  }));
});

Deno.test("compareConfigs() treats all cars as others when the company changes", () => {
  const to = { ...base, company: "other" };
  const { added, removed, changed, same, settings } = compareConfigs(base, to);
  assert.deepEqual([added, removed, changed, same], [["car_1"], ["car_1"], [], []]);
  assert.deepEqual(settings, [
    { key: "company_name", from: "company", to: "other", takes: "at_once" },
  ]);
});

/** Every leaf of the one form but the cars, with how to set it. */
function leaves(value: object, path: readonly string[] = []): (readonly string[])[] {
  return Object.entries(value).flatMap(([key, part]) =>
    typeof part === "object" && part !== null ? leaves(part, [...path, key]) : [[...path, key]]
  );
}

function changedAt(config: object, [key = "", ...rest]: readonly string[]): object {
  const part = (config as Record<string, unknown>)[key];
  if (rest.length > 0) return { ...config, [key]: changedAt(part as object, rest) };
  const other = typeof part === "number"
    ? part + 1
    : typeof part === "boolean"
    ? !part
    : `${part}_other`;
  return { ...config, [key]: other };
}

Deno.test("compareConfigs() finds every single setting, and touches no car for it", () => {
  const { cars: _, company: __, ...settings } = base;
  const found: Record<string, Takes> = {};
  for (const path of leaves(settings)) {
    const to = changedAt(base, path) as ServerConfig;
    const difference = compareConfigs(base, to);
    assert.equal(difference.settings.length, 1, path.join("."));
    assert.deepEqual(difference.same, ["car_1"]);
    const [change] = difference.settings;
    if (change !== undefined) found[change.key] = change.takes;
    // What needs a restart stays different until there is one; the rest is done.
    const left = compareConfigs(withoutRestart(base, to), to).settings.map(({ key }) => key);
    assert.deepEqual(left, change?.takes === "restart" ? [change.key] : []);
    assert.doesNotMatch(differenceLines(difference).join(), /hidden|long-enough/);
  }
  assert.deepEqual(found, {
    mqtt_address: "reconnect",
    mqtt_username: "reconnect",
    mqtt_password: "reconnect",
    mqtt_timeout: "at_once",
    timeout: "at_once",
    module_call_timeout: "new_hosts",
    sleep_duration_after_connection_refused: "at_once",
    "limits.max_message_bytes": "at_once",
    "limits.max_messages_per_second": "at_once",
    "limits.max_devices": "at_once",
    "limits.max_status_gap": "at_once",
    "limits.max_waiting_statuses": "at_once",
    "limits.max_waiting_bytes": "at_once",
    "limits.max_waiting_commands": "at_once",
    "limits.max_waiting_command_bytes": "at_once",
    "limits.max_unanswered_commands": "at_once",
    "limits.max_host_memory_bytes": "new_hosts",
    "health.window_ms": "at_once",
    "health.refused_percent": "at_once",
    "health.slow_response_ms": "at_once",
    "health.backlog": "at_once",
    "health.settle_ms": "at_once",
    "health.switched_off_ms": "at_once",
    "map.latitude": "at_once",
    "map.longitude": "at_once",
    "map.tiles": "at_once",
    "map.attribution": "at_once",
    send_invalid_command: "at_once",
    "logging.console.use": "restart",
    "logging.console.level": "at_once",
    "logging.console.format": "restart",
    "logging.file.use": "restart",
    "logging.file.level": "at_once",
    "logging.file.format": "restart",
    "logging.file.path": "restart",
    "event_log.directory": "restart",
    "event_log.durability": "restart",
    "event_log.max_bytes": "restart",
    "event_log.max_age_hours": "restart",
    state_dir: "restart",
    log_file_max_size_bytes: "restart",
    log_files_to_keep: "restart",
    "http.address": "restart",
    "http.port": "restart",
    "http.api_key": "at_once",
  });
});

Deno.test("compareConfigs() distinguishes TLS files, and a listener of the server's own", () => {
  const tls = { caFile: "/ca", certFile: "/cert", keyFile: "/key" };
  const from: ServerConfig = { ...base, broker: { ...base.broker, protocol: "mqtts", tls } };
  const to = { ...from, broker: { ...from.broker, tls: { caFile: "/other" } } };
  assert.deepEqual(compareConfigs(from, to).settings, [
    { key: "ca_certs_file", from: "/ca", to: "/other", takes: "new_connections" },
    { key: "cert_file", from: "/cert", to: "nothing", takes: "new_connections" },
    { key: "key_file", from: "/key", to: "nothing", takes: "new_connections" },
  ]);
  const options = { embeddedBroker: true };
  const moved = { ...to, broker: { ...to.broker, port: 1 } };
  const { settings } = compareConfigs(from, moved, options);
  assert.deepEqual(new Set(settings.map(({ takes }) => takes)), new Set(["restart"]));
  assert.deepEqual(withoutRestart(from, moved, options).broker, from.broker);
});

Deno.test("withoutRestart() keeps whole sections that need a restart, there or not", () => {
  const tls = { certFile: "/cert", keyFile: "/key" };
  const { http = { address: "::1", port: 1 }, ...off } = base;
  const plain = { ...off, http };
  const secure = { ...off, http: { ...http, tls } };
  for (const from of [off, plain, secure]) {
    for (const to of [off, plain, secure]) assert.deepEqual(withoutRestart(from, to), from);
  }
});
