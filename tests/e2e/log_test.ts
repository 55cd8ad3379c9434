// What is in the log of a running server: the line that pipelines parse, or one JSON object a line,
// with car, session and device wherever there is one [LOG-LINE].
import assert from "node:assert/strict";
import { join } from "node:path";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { PATIENT, Stage, subscribed } from "./stage.ts";

const LINE =
  /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] \[external-server\] \[(DEBUG|INFO|WARNING)\]\t (\(car_[12]\))?\t.+$/;

/** Lets two cars live through a session each, with a device that no module serves. */
async function live(stage: Stage): Promise<readonly string[]> {
  const gateways = ["car_1", "car_2"].map((car) =>
    stage.gateway(car, { devices: 2, modules: [1000, 7], clocks: PATIENT })
  );
  return await Promise.all(gateways.map(async (gateway) => {
    const session = await gateway.running();
    const [device] = gateway.devices;
    assert.ok(device);
    // A gateway is through with the sequence before the server is.
    await gateway.send(device, "{}");
    return session;
  }));
}

mosquittoTest(
  "each line names the car, and the session and the device where there is one [LOG-LINE]",
  async () => {
    await using stage = await Stage.set();
    await using folder = await TempFolder.make();
    const server = await stage.serve({
      cars: { car_1: {}, car_2: {} },
      more: {
        logging: {
          console: { level: "debug", use: true },
          file: { level: "WARNING", use: true, path: folder.path },
        },
      },
    });
    for (const car of ["car_1", "car_2"]) await subscribed(server, car);
    const sessions = await live(stage);
    await server.stop();
    for (const line of server.lines) assert.match(line, LINE);
    for (const [index, session] of sessions.entries()) {
      const car = `(car_${index + 1})`;
      const said = server.lines.filter((line) => line.includes(`\t ${car}\t`));
      assert.ok(said.some((line) => line.includes("State CONNECTED is now RUNNING")));
      const find = (text: string) => said.find((line) => line.includes(text))?.split("\t")[2];
      const served = `Device connected [session=${session} device=1000/0/role_1]`;
      assert.equal(find("Device connected"), served);
      const stranger = "Device is not served: the car has no such module in the configuration";
      assert.equal(find(stranger), `${stranger} [session=${session} device=7/0/role_2]`);
      const ended = `Session ended: stopped: The server stops [session=${session}]`;
      assert.equal(find("Session ended"), ended);
    }
    // The file has a level of its own.
    const file = await Deno.readTextFile(join(folder.path, "external_server.log"));
    const warnings = server.lines.filter((line) => line.includes("[WARNING]"));
    assert.equal(warnings.length, 2);
    assert.deepEqual(file.trimEnd().split("\n"), warnings);
  },
);

mosquittoTest(
  'lines are JSON objects with `logging.console.format: "json"` [LOG-LINE]',
  async () => {
    await using stage = await Stage.set();
    const server = await stage.serve({
      cars: { car_1: {}, car_2: {} },
      more: { logging: { console: { level: "DEBUG", use: true, format: "json" } } },
    });
    for (const car of ["car_1", "car_2"]) {
      await server.line(new RegExp(`"car":"${car}".*is now CONNECTED`));
    }
    const [session] = await live(stage);
    await server.stop();
    const lines = server.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const { timestamp, level, logger, message } of lines) {
      assert.ok(!Number.isNaN(Date.parse(String(timestamp))));
      assert.ok(["DEBUG", "INFO", "WARNING"].includes(String(level)));
      assert.equal(logger, "external-server");
      assert.equal(typeof message, "string");
    }
    const { timestamp: _, ...rest } =
      lines.find(({ car, level }) => car === "car_1" && level === "WARNING") ?? {};
    assert.deepEqual(rest, {
      level: "WARNING",
      logger: "external-server",
      car: "car_1",
      session,
      device: "7/0/role_2",
      message: "Device is not served: the car has no such module in the configuration",
    });
  },
);

mosquittoTest(
  'every line has the fields of the Python server with `format: "python"` [LOG-LINE]',
  async () => {
    await using stage = await Stage.set();
    await using folder = await TempFolder.make();
    const format = "python";
    const server = await stage.serve({
      cars: { car_1: {}, car_2: {} },
      more: {
        logging: {
          console: { level: "DEBUG", use: true, format },
          file: { level: "DEBUG", use: true, path: folder.path, format },
        },
      },
    });
    for (const car of ["car_1", "car_2"]) {
      await server.line(new RegExp(`\\(${car}\\)\\t.*is now CONNECTED`));
    }
    await live(stage);
    await server.stop();
    const line =
      /^\[[\d-]{10} [\d:.]{12}\] \[external-server\] \[[A-Z]+\]\t \[[^\]:]+:\d+\]\t\((server|car_[12])\)\t.+$/;
    const file = await Deno.readTextFile(join(folder.path, "external_server.log"));
    for (const one of [...server.lines, ...file.trimEnd().split("\n")]) assert.match(one, line);
    assert.match(file, /\t\(server\)\tStopped\n$/);
  },
);
