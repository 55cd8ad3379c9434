// What a hostile gateway, subscriber or broker costs all the others.
import { carTopics } from "../../src/protocol/mod.ts";
import { AttackProcess } from "../../tests/adversary/attacks.ts";
import { closesAtPublish } from "../../tests/adversary/broker.ts";
import { COMPANY } from "../../tests/e2e/server_process.ts";
import { RawBroker } from "../../tests/mqtt/raw_broker.ts";
import {
  type Attacked,
  CARS,
  coreFigure,
  measureAttack,
  memoryFigure,
  memoryMib,
  othersFigure,
  secondsToStop,
  stopFigure,
  WATCH,
} from "../support/attacked.ts";
import { figure } from "../support/figure.ts";
import { cpuUs, privateBytes, treeOf } from "../support/process_tree.ts";
import { launchSide } from "../support/side.ts";
import { pause, Stage } from "../support/stage.ts";
import { plainModules, type Row } from "./row.ts";

const MIB = 1024 * 1024;
const FLOOD = 150_000;

/** Cars that a broker lets in, and drops when they publish. */
export const reconnects: Row = {
  name: "hostile_reconnects",
  byDefault: false,
  async run(context) {
    const figures = [];
    for (const cars of [10, 100]) {
      await using broker = new RawBroker(closesAtPublish);
      const modules = plainModules(context);
      await using side = await launchSide("server", { port: broker.port, cars, modules });
      await side.ready(60_000);
      const pids = () => treeOf(side.pid);
      const memory = privateBytes(pids()) / MIB;
      await pause(15_000);
      const before = { connections: broker.connections, us: cpuUs([side.pid]) };
      await pause(15_000);
      const perSecond = (broker.connections - before.connections) / 15;
      const share = (cpuUs([side.pid]) - before.us) / 15e6;
      const grown = privateBytes(pids()) / MIB - memory;
      const warnings = side.server?.lines.filter((line) => /\[WARNING\]/.test(line)).length ?? 0;
      const what = `a broker closes at the first PUBLISH, ${cars} cars, after 15 s`;
      const common = { row: this.name, unit: "" };
      figures.push(
        figure({
          ...common,
          what: `${what}: connections a second, ${warnings} warnings`,
          unit: "/s",
          server: [perSecond],
          reach: "<= 0.2 a car, 1 to 10 warnings",
          reached: (value) => value <= 0.2 * cars && warnings >= 1 && warnings <= 10,
        }),
        figure({
          ...common,
          what: "the same: the server's own process, share of a core",
          server: [share],
          reach: "<= 0.05",
          reached: (value) => value <= 0.05,
        }),
        figure({
          ...common,
          what: "the same: growth of private memory",
          unit: "MiB",
          server: [grown],
          reach: "<= 30 MiB",
          reached: (value) => value <= 30,
        }),
      );
    }
    return figures;
  },
};

/** One car's topic is flooded through the broker. */
export const junk: Row = {
  name: "hostile_junk",
  byDefault: false,
  async run(context) {
    const figures = [];
    const floods = [
      ["noise", 20, false],
      ["stray", 20, false],
      ["noise", 1_000, false],
      ["noise", 20, true],
    ] as const;
    for (const [junk, bytes, embedded] of floods) {
      const runs: Attacked[] = [];
      const elsewhere: Attacked[] = [];
      const stops: number[] = [];
      const perSecond = bytes > 100 ? FLOOD / 5 : FLOOD;
      for (let round = 0; round < 2; round++) {
        await using stage = await Stage.set({ ...CARS, modules: plainModules(context), embedded });
        // The broker and the attacker take their share of the machine in any case.
        for (const [results, car] of [[elsewhere, "nobody"], [runs, "car_1"]] as const) {
          await using scope = new AsyncDisposableStack();
          const options = { port: stage.port, car, perSecond, junk, bytes };
          const begin = async () => {
            const topic = carTopics(COMPANY, car).moduleGateway;
            if (car === "nobody") {
              const reader = { port: stage.port, topic };
              scope.use(await AttackProcess.start("silentSubscriber", reader));
            }
            scope.use(await AttackProcess.start("flood", options));
          };
          results.push(await measureAttack(stage, WATCH, begin));
          if (car === "car_1") stops.push(await secondsToStop(stage));
        }
      }
      const through = embedded ? ", the server is the broker" : "";
      const what = `${perSecond}/s of ${bytes} bytes of ${junk} on a car${through}`;
      figures.push(
        othersFigure(this.name, what, runs, 3),
        figure({
          row: this.name,
          what: "the same, against the same flood that another client reads",
          unit: "ms",
          server: runs.map(({ attacked }) => attacked.p99Ms),
          reference: elsewhere.map(({ attacked }) => attacked.p99Ms),
          reach: "<= 3 x",
          reached: (_, ratio) => ratio <= 3,
        }),
        memoryFigure(this.name, runs, 120),
        coreFigure(this.name, runs, 0.5),
        stopFigure(this.name, stops),
      );
    }
    return figures;
  },
};

/** One car's gateway asks for one session after the other, with as many devices as it may have. */
export const connects: Row = {
  name: "hostile_connects",
  byDefault: false,
  async run(context) {
    const runs: Attacked[] = [];
    await using stage = await Stage.set({ ...CARS, modules: plainModules(context) });
    await using scope = new AsyncDisposableStack();
    const options = { port: stage.port, car: "car_1", perSecond: 231, devices: 1_000 };
    const begin = async () => scope.use(await AttackProcess.start("connectStorm", options));
    const lines = () => stage.side.server?.lines.length ?? 0;
    runs.push(await measureAttack(stage, { ...WATCH, seconds: 10 }, begin));
    const before = lines();
    await pause(10_000);
    return [
      othersFigure(this.name, "231 Connects/s of 1,000 devices", runs, 3),
      memoryFigure(this.name, runs, 100),
      coreFigure(this.name, runs, 0.7),
      figure({
        row: this.name,
        what: "the same: lines in the log within 10 s",
        unit: "",
        server: [lines() - before],
        reach: "<= 100",
        reached: (count) => count <= 100,
      }),
      stopFigure(this.name, [await secondsToStop(stage)]),
    ];
  },
};

/** Clients of the embedded broker that subscribe and then stop reading. */
export const subscribers: Row = {
  name: "hostile_subscribers",
  byDefault: false,
  async run(context) {
    const figures = [];
    const common = { ...CARS, modules: plainModules(context), embedded: true };
    for (const [clients, megabytes] of [[1, 3], [20, 25]] as const) {
      await using stage = await Stage.set(common);
      await using scope = new AsyncDisposableStack();
      const { port } = stage;
      // Past anything that a system's own buffers hold.
      const flood = { port, car: "nobody", junk: "noise", bytes: 100_000 } as const;
      const begin = async () => {
        const options = { port, clients, topic: "#" };
        scope.use(await AttackProcess.start("deafSubscribers", options));
        scope.use(await AttackProcess.start("flood", { ...flood, perSecond: 10 * megabytes }));
      };
      const runs = [await measureAttack(stage, { ...WATCH, seconds: 10 }, begin)];
      const what = `${clients} of the embedded broker's clients stopped reading, ${megabytes} MB/s`;
      figures.push(
        othersFigure(this.name, what, runs, 3),
        memoryFigure(this.name, runs, 150),
        stopFigure(this.name, [await secondsToStop(stage)]),
      );
    }
    await using stage = await Stage.set(common);
    const before = memoryMib(stage);
    const options = { port: stage.port, count: 200_000, topicBytes: 20 };
    await using attack = await AttackProcess.start("subscriptions", options);
    for (let seconds = 0; seconds < 20; seconds++) {
      const { sent, closed } = await attack.counts();
      if (sent === options.count || closed === 1) break;
      await pause(1_000);
    }
    figures.push(figure({
      row: this.name,
      what: "200,000 subscriptions of one client: private memory, after and before",
      unit: "MiB",
      server: [memoryMib(stage)],
      reference: [before],
      reach: "<= 30 MiB more",
      reached: (after) => after - before <= 30,
    }));
    return figures;
  },
};
