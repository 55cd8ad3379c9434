// The simulate command: what it takes, what it prints, and its exit status.
import assert from "node:assert/strict";
import { Command } from "commander";
import { runSimulate } from "../../src/cli/simulate.ts";
import { parseSimulateOptions, SimulateUsageError } from "../../src/cli/simulate_input.ts";
import { addSimulateOptions } from "../../src/cli/simulate_options.ts";
import { simulateResult } from "../../src/cli/simulate_report.ts";
import { Fleet } from "../../src/simulator/fleet.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { FakeMqttServer } from "./fake_server.ts";

async function parsed(...args: string[]) {
  const command = addSimulateOptions(new Command()).exitOverride().parse(args, { from: "user" });
  return await parseSimulateOptions(command.opts());
}

async function simulated(args: string[], signal = new AbortController().signal) {
  const out: string[] = [];
  const err: string[] = [];
  const output = { out: (line: string) => out.push(line), err: (line: string) => err.push(line) };
  const status = await runSimulate(await parsed(...args), output, signal);
  return { status, out, err };
}

async function brokerAndServer() {
  const broker = await Mosquitto.start({ lines: ["set_tcp_nodelay true"] });
  const server = await FakeMqttServer.start(broker.port, "acme");
  return {
    server,
    port: `${broker.port}`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    },
  };
}

Deno.test("parseSimulateOptions() has a value for everything", async () => {
  const { cars, ...rest } = await parsed();
  assert.deepEqual(cars.map((car) => car.name), ["car_1"]);
  assert.deepEqual(cars[0]?.devices.map((device) => device.module), [1000]);
  assert.deepEqual(rest, {
    company: "acme",
    broker: { protocol: "mqtt", host: "127.0.0.1", port: 1883, path: "" },
    rate: 1,
    window: 10,
    payload: 64,
    misbehavior: { drop: 0, reorder: 0, duplicate: 0 },
    reconnectEveryMs: 0,
    gateway: "1.4",
    firstConnectionFails: false,
    seed: 1,
    json: false,
  });
});

Deno.test("parseSimulateOptions() makes cars and devices as it is told", async () => {
  const { cars } = await parsed(
    ..."--cars 2 --car-prefix van --devices 3 --modules 1000,7 --device-types 0,1".split(" "),
  );
  assert.deepEqual(cars.map((car) => car.name), ["van1", "van2"]);
  assert.deepEqual(
    cars[1]?.devices.map((device) => [device.module, device.deviceType]),
    [[1000, 0], [7, 0], [1000, 1]],
  );
});

Deno.test("parseSimulateOptions() takes the versions of the gateway there are", async () => {
  const { gateway, firstConnectionFails } = await parsed(
    ..."--gateway 1.3 --first-connection-fails".split(" "),
  );
  assert.deepEqual([gateway, firstConnectionFails], ["1.3", true]);
  const command = () =>
    addSimulateOptions(new Command()).exitOverride().configureOutput({ writeErr() {} });
  assert.throws(
    () => command().parse(["--gateway", "1.2"], { from: "user" }),
    /'1\.2' is invalid.*1\.3, 1\.4/,
  );
});

Deno.test("parseSimulateOptions() finds the broker in an address and turns TLS on", async () => {
  assert.deepEqual((await parsed("--address", "mqtts://broker.example:99")).broker, {
    protocol: "mqtts",
    host: "broker.example",
    port: 99,
    path: "",
    tls: {},
  });
  const { broker } = await parsed("--ca", "deno.json", "--username", "me", "--password", "secret");
  assert.equal(broker.protocol, "mqtts");
  assert.equal(broker.port, 8883);
  assert.deepEqual(broker.tls, { caFile: "deno.json" });
  assert.equal(broker.username, "me");
});

Deno.test("simulateResult() names a broker at an IPv6 address with its brackets", async () => {
  await using fleet = new Fleet({ gateways: [] });
  const brokerOf = async (address: string) =>
    simulateResult(await parsed("--address", address), fleet, 1).broker;
  assert.equal(await brokerOf("mqtt://[::1]:1884"), "mqtt://[::1]:1884");
  assert.equal(await brokerOf("wss://host:443/mqtt"), "wss://host:443/mqtt");
});

Deno.test("parseSimulateOptions() names every problem at once", async () => {
  await assert.rejects(
    () =>
      parsed(
        ..."--cars 0 --rate x --modules 1,a --drop 0.9 --reorder 0.2 --ca /none --cert deno.json"
          .split(" "),
        "--company",
        "Big Co",
      ),
    (error) => {
      assert.ok(error instanceof SimulateUsageError);
      assert.deepEqual(error.problems.map((problem) => problem.split(":")[0]).toSorted(), [
        "--ca",
        "--cars",
        "--company",
        "--drop",
        "--key",
        "--modules",
        "--rate",
      ]);
      assert.ok(error.problems.includes('--rate: Expected a number from 0 to 100000: found "x"'));
      return true;
    },
  );
});

Deno.test("parseSimulateOptions() takes company, broker, cars and modules from a configuration", async () => {
  await using folder = await TempFolder.make();
  const module = { lib_path: "not_on_this_machine.so" };
  const file = await folder.write(
    "config.json",
    JSON.stringify({
      company_name: "fleet_co",
      mqtt_address: "broker.example",
      mqtt_port: 1884,
      common_modules: { "1000": module },
      cars: { one: {}, two: { specific_modules: { "7": module } } },
      logging: {
        console: { level: "INFO", use: true },
        file: { level: "INFO", use: false, path: "." },
      },
    }),
  );
  const options = await parsed("--config", file);
  assert.equal(options.company, "fleet_co");
  assert.equal(options.broker.host, "broker.example");
  assert.equal(options.broker.port, 1884);
  assert.deepEqual(
    options.cars.map((car) => [car.name, car.devices.map((device) => device.module)]),
    [["one", [1000]], ["two", [1000, 7]]],
  );
  assert.equal((await parsed("--config", file, "--cars", "1", "--port", "5")).cars.length, 1);
  await assert.rejects(() => parsed("--config", file, "--cars", "3"), /at most the 2 cars/);
  await assert.rejects(
    () => parsed("--config", file, "--company", "x"),
    /no value together with --config/,
  );
  await assert.rejects(() => parsed("--config", "/none.json"), /no such file/);
});

mosquittoTest(
  "runSimulate() ends with 0 and a summary when every status was answered",
  async () => {
    await using test = await brokerAndServer();
    const args = ["--port", test.port, "--cars", "3", "--rate", "20", "--seconds", "5"];
    const { status, out, err } = await simulated(args);
    assert.deepEqual(err.filter((line) => line.startsWith("Failed")), []);
    assert.equal(status, 0);
    assert.match(
      out[0] ?? "",
      /^3 simulated cars of acme at mqtt:\/\/127\.0\.0\.1:\d+ for .* seed 1$/,
    );
    const titles = out.slice(1).map((line) => line.trim().split(" ")[0]);
    assert.deepEqual(titles, [
      "statuses",
      "response",
      "losses",
      "disorder",
      "sessions",
      "commands",
      "violations",
    ]);
    assert.match(out.join("\n"), /unanswered 0/);
    assert.match(err[0] ?? "", /^\d+ s {2}\d of 3 cars {2}sent \d+\/s {2}answered/);
  },
);

mosquittoTest("runSimulate() survives its own misbehavior, and says what it did", async () => {
  await using test = await brokerAndServer();
  const args = "--cars 2 --rate 0 --window 4 --reorder 0.3 --duplicate 0.3 --seconds 60 --json";
  const stop = new AbortController();
  const run = simulated(["--port", test.port, ...args.split(" ")], stop.signal);
  const cars = [test.server.car("car_1"), test.server.car("car_2")];
  await waitFor(() => cars.every(({ received }) => received.length > 100), "100 messages of each");
  stop.abort();
  const { status, out } = await run;
  assert.equal(out.length, 1);
  const result = JSON.parse(out[0] ?? "");
  assert.equal(status, 0);
  assert.equal(result.carsRan, 2);
  assert.ok(result.stats.reordered > 0 && result.stats.duplicated > 0);
  assert.equal(result.stats.sent, result.stats.answered);
  assert.equal(result.stats.latency.count, result.stats.answered);
  assert.deepEqual(result.failures, []);
});

mosquittoTest("runSimulate() ends with 1 when a status stays unanswered", async () => {
  await using test = await brokerAndServer();
  const stop = new AbortController();
  const car = test.server.car("car_1");
  car.answering = false;
  const args = ["--port", test.port, "--rate", "50", "--seconds", "60", "--window", "3"];
  const run = simulated(args, stop.signal);
  const poll = setInterval(() => {
    if (car.received.length < 5) return;
    // The session ends with three statuses open.
    test.server.notify("car_1");
    clearInterval(poll);
    car.answering = true;
    stop.abort();
  }, 10);
  const { status, err } = await run;
  assert.equal(status, 1);
  assert.match(err.at(-1) ?? "", /^Failed: statuses left unanswered: [1-3]$/);
});

mosquittoTest("runSimulate() says why no car has connected, with 1", async () => {
  const refused = await simulated(["--port", "1", "--cars", "2", "--seconds", "1"]);
  assert.equal(refused.status, 1);
  assert.deepEqual(refused.err.slice(-2), [
    "2 of 2 cars had no session: connection refused. Start the broker, check address and port, " +
    "and that it listens on more than its own loopback",
    "Failed: no car had a session",
  ]);
  assert.equal(refused.out.length, 8);
  const unknown = await simulated(["--address", "no-such-host.invalid", "--seconds", "3"]);
  assert.match(
    unknown.err.at(-2) ?? "",
    /^1 of 1 cars had no session: host name not found\. Check the spelling of the address/,
  );
  await using broker = await Mosquitto.start({ users: { me: "right" } });
  const args = ["--username", "me", "--password", "wrong", "--seconds", "3", "--json"];
  const wrong = await simulated(["--port", `${broker.port}`, ...args]);
  const [result] = wrong.out.map((line) => JSON.parse(line));
  assert.match(result.withoutSession[0].reason, /^not authorized.*Check mqtt_username/);
});

mosquittoTest("runSimulate() says that no server has answered", async () => {
  await using broker = await Mosquitto.start();
  const { err, status } = await simulated(["--port", `${broker.port}`, "--seconds", "1"]);
  assert.equal(status, 1);
  assert.equal(err.at(-2), "1 of 1 cars had no session: no server has answered");
});
