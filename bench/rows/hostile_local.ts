// What a hostile module or HTTP client costs all the others.
import { AttackProcess } from "../../tests/adversary/attacks.ts";
import { COMPANY, program } from "../../tests/e2e/server_process.ts";
import { freePort } from "../../tests/support/mosquitto.ts";
import { ScriptedGateway } from "../../tests/support/scripted_gateway.ts";
import {
  type Attacked,
  CARS,
  coreFigure,
  measureAttack,
  memoryFigure,
  othersFigure,
  secondsToStop,
  stopFigure,
  WATCH,
} from "../support/attacked.ts";
import { figure } from "../support/figure.ts";
import { pause, Stage } from "../support/stage.ts";
import { plainModules, type Row } from "./row.ts";

/** Descriptors a server has that is soon out of them. */
const FEW_FILES = 256;

/** One car's module prints without end. */
export const output: Row = {
  name: "hostile_output",
  byDefault: false,
  async run({ fixtureModules }) {
    const figures = [];
    for (const text of ["z\n", "twenty characters..\n"]) {
      const config = { crash_in: "device_connected", crash_how: "flood", flood_text: text };
      const modules = (car: string) => {
        const lib_path = fixtureModules[1000] ?? "";
        return { 1000: { lib_path, config: car === "car_1" ? config : {} } };
      };
      await using stage = await Stage.set({ ...CARS, modules });
      const request = { first: 1, cars: 1, session: true, modules: [1000], startsPerSecond: 100 };
      const runs = [await measureAttack(stage, WATCH, () => stage.addLoad(request))];
      figures.push(
        othersFigure(this.name, `a module prints lines of ${text.length - 1} without end`, runs, 3),
        coreFigure(this.name, runs, 0.5),
        memoryFigure(this.name, runs, 50),
        stopFigure(this.name, [await secondsToStop(stage)]),
      );
    }
    return figures;
  },
};

/** One car's module has large commands, and its gateway answers none. */
export const largeCommands: Row = {
  name: "hostile_commands",
  byDefault: false,
  async run({ benchModule }) {
    const config = { commands_per_second: 200, command_bytes: 1_000_000 };
    const modules = (car: string) => ({
      1000: { lib_path: benchModule, config: car === "car_1" ? config : {} },
    });
    const more = { timeout: 600, mqtt_timeout: 600 };
    await using stage = await Stage.set({ ...CARS, modules, more });
    const broker = { host: "127.0.0.1", port: stage.port };
    const begin = async () => {
      const gateway = new ScriptedGateway({ company: COMPANY, car: "car_1", broker });
      await gateway.open();
      await gateway.connectSequence();
      await gateway.close();
    };
    const runs = [await measureAttack(stage, { ...WATCH, seconds: 15 }, begin)];
    return [
      othersFigure(this.name, "200 commands/s of 1 MB that nobody answers", runs, 3),
      memoryFigure(this.name, runs, 200),
      stopFigure(this.name, [await secondsToStop(stage)]),
    ];
  },
};

/** Ten clients without a key, with bodies that never end. */
export const bodies: Row = {
  name: "hostile_bodies",
  byDefault: false,
  async run(context) {
    const port = freePort();
    const more = { http: { port, api_key: crypto.randomUUID() } };
    await using stage = await Stage.set({ ...CARS, modules: plainModules(context), more });
    await using scope = new AsyncDisposableStack();
    let attack: AttackProcess | undefined;
    const begin = async () => {
      const options = { port, connections: 10, path: "/rpc" };
      attack = scope.use(await AttackProcess.start("endlessBody", options));
    };
    const runs: Attacked[] = [await measureAttack(stage, WATCH, begin)];
    const { closed = 0, sentBytes = 0 } = await attack?.counts() ?? {};
    return [
      othersFigure(this.name, "10 endless bodies without a key", runs, 3),
      coreFigure(this.name, runs, 0.2),
      figure({
        row: this.name,
        what: `the same: taken from them; ${closed} of 10 were closed`,
        unit: "MB",
        server: [sentBytes / 1e6],
        reach: "<= 50 MB, all closed",
        reached: (megabytes) => megabytes <= 50 && closed === 10,
      }),
      stopFigure(this.name, [await secondsToStop(stage)]),
    ];
  },
};

/** More HTTP connections than the server has descriptors. */
export const connections: Row = {
  name: "hostile_connections",
  byDefault: false,
  async run(context) {
    const port = freePort();
    const [command, args] = program();
    const limited = `ulimit -n ${FEW_FILES}; exec "$@"`;
    await using stage = await Stage.set({
      ...CARS,
      modules: plainModules(context),
      more: { http: { port } },
      process: { command: ["sh", ["-c", limited, "sh", command, ...args]] },
    });
    const runs: Attacked[] = [];
    {
      await using scope = new AsyncDisposableStack();
      const begin = async () => {
        const options = { port, connections: 2 * FEW_FILES };
        scope.use(await AttackProcess.start("idleConnections", options));
      };
      runs.push(await measureAttack(stage, WATCH, begin));
    }
    return [
      othersFigure(this.name, `${2 * FEW_FILES} HTTP connections, ${FEW_FILES} files`, runs, 3),
      figure({
        row: this.name,
        what: "the same: from the attack's end to an answer over HTTP",
        unit: "s",
        server: [await secondsToAnswer(port)],
        reach: "<= 1 s",
        reached: (seconds) => seconds <= 1,
      }),
      stopFigure(this.name, [await secondsToStop(stage)]),
    ];
  },
};

/** How long until a health check is answered; endless after 15 s. */
async function secondsToAnswer(port: number): Promise<number> {
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1_000;
  while (seconds() < 15) {
    try {
      const signal = AbortSignal.timeout(5_000);
      const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { signal });
      await answer.body?.cancel();
      if (answer.ok) return seconds();
    } catch {
      // Not yet.
    }
    await pause(100);
  }
  return Infinity;
}
