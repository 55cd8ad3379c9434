// A cluster to which everything happens that it has to survive, from a seed: servers as processes, a
// real etcd, a real broker, a network that can be cut, strict gateways and a module that counts.
import { Gateway } from "../../src/simulator/gateway.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { Certificates } from "../support/certificates.ts";
import { Etcd } from "../support/etcd.ts";
import { Mosquitto } from "../support/mosquitto.ts";
import { Relay } from "../support/relay.ts";
import { delay, waitFor } from "../support/wait.ts";
import { CallRecord } from "./call_record.ts";
import { COMPANY, ServerProcess } from "./server_process.ts";
import { PATIENT } from "./stage.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly cars: number;
  /** At least two. */
  readonly members: number;
  /** Statuses a second of each car. */
  readonly rate: number;
  /** @default {false} */
  readonly tls?: boolean;
  /** Gets each event before it happens. */
  readonly onEvent?: (text: string) => void;
}

/** What can happen; gateways must not notice any of it. */
const EVENTS = [
  "kill",
  "stop",
  "freeze",
  "cut off from etcd",
  "cut off from the broker",
  "kill etcd",
  "add and stop another",
] as const;
type Event = typeof EVENTS[number];

/** A server, and its way to the others. */
interface Member {
  readonly id: string;
  readonly etcd: Relay;
  readonly broker: Relay;
  server: ServerProcess;
}

export class ChaosCluster implements AsyncDisposable {
  readonly #options: ChaosOptions;
  #scope: AsyncDisposableStack;
  readonly #broker: Mosquitto;
  readonly #etcd: Etcd;
  readonly #record: CallRecord;
  readonly #module: string;
  readonly #certificates: Certificates | undefined;
  readonly #members: Member[] = [];
  readonly #gateways: Gateway[] = [];
  readonly #random: () => number;

  private constructor(
    options: ChaosOptions,
    scope: AsyncDisposableStack,
    parts: { broker: Mosquitto; etcd: Etcd; record: CallRecord; module: string },
    certificates: Certificates | undefined,
  ) {
    this.#options = options;
    this.#scope = scope;
    this.#broker = parts.broker;
    this.#etcd = parts.etcd;
    this.#record = parts.record;
    this.#module = parts.module;
    this.#certificates = certificates;
    this.#random = randomOf(options.seed);
  }

  /** Starts everything; all cars run. */
  static async set(options: ChaosOptions): Promise<ChaosCluster> {
    await using scope = new AsyncDisposableStack();
    const { module } = await buildFixtures();
    const certificates = options.tls ? scope.use(await Certificates.make()) : undefined;
    const tls = certificates && { caFile: certificates.caFile, ...certificates.server };
    const broker = scope.use(
      await Mosquitto.start({ lines: ["set_tcp_nodelay true"], ...(tls && { tls }) }),
    );
    const etcd = scope.use(await Etcd.start());
    const record = scope.use(await CallRecord.make());
    const parts = { broker, etcd, record, module };
    const cluster = new ChaosCluster(options, scope, parts, certificates);
    await cluster.#begin();
    cluster.#scope = scope.move();
    return cluster;
  }

  /** Lets so many things happen, one after the other. */
  async live(events: number): Promise<void> {
    for (let i = 0; i < events; i++) {
      const event = EVENTS[Math.floor(this.#random() * EVENTS.length)] ?? "kill";
      const member = this.#members[Math.floor(this.#random() * this.#members.length)];
      if (member === undefined) continue;
      this.#options.onEvent?.(`${event} (${member.id})`);
      await this.#happen(event, member);
      await this.#answers(3);
    }
  }

  /** Ends the traffic; everything that was wrong, empty: nothing. */
  async judge(): Promise<string[]> {
    const problems: string[] = [];
    for (const gateway of this.#gateways) {
      const { car } = gateway;
      if (!await gateway.drain()) problems.push(`${car}: statuses without an answer`);
      const { sessions, failedSequences, sent, answered } = gateway.stats;
      if (sessions !== 1 || failedSequences !== 0) problems.push(`${car}: ${sessions} sessions`);
      if (sent !== answered) problems.push(`${car}: ${sent} sent, ${answered} answered`);
      problems.push(...gateway.violations.map((found) => `${car}: ${JSON.stringify(found)}`));
      const seen = [...new Set(await this.#record.statuses(car))].map(Number);
      const [, first = 0, ...rest] = seen;
      const missing = rest.findIndex((counter, index) => counter !== first + 1 + index);
      if (missing >= 0) problems.push(`${car}: its module has no status ${first + 1 + missing}`);
      if (rest.length === 0) problems.push(`${car}: its module has seen nothing`);
    }
    for (const { id, server } of this.#members) {
      problems.push(
        ...server.lines.filter((line) => /Defect|Cannot take the session over/.test(line)).filter(
          // The first owner of a car finds nothing.
          (line) => !line.includes("no_checkpoint"),
        ).map((line) => `${id}: ${line}`),
      );
    }
    return problems;
  }

  /** All that a member has printed since it was last started. */
  printed(): string {
    return this.#members.map(({ id, server }) => `--- ${id}\n${server.text}`).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
  }

  async #begin(): Promise<void> {
    const { members, cars, rate, seed } = this.#options;
    for (let i = 0; i < members; i++) await this.#addMember(`m${i + 1}`);
    const { port } = this.#broker;
    const caFile = this.#certificates?.caFile;
    const at = { host: "127.0.0.1", port };
    const broker = caFile === undefined
      ? at
      : { ...at, protocol: "mqtts" as const, tls: { caFile } };
    for (let i = 0; i < cars; i++) {
      const gateway = new Gateway({
        company: COMPANY,
        car: `car_${i + 1}`,
        broker,
        rate,
        seed: seed + i,
        clocks: PATIENT,
        payload: (_device, counter) => new TextEncoder().encode(`${counter}`),
      });
      this.#gateways.push(this.#scope.use(gateway.start()));
    }
    await Promise.all(this.#gateways.map((gateway) => gateway.running()));
  }

  async #addMember(id: string): Promise<Member> {
    const etcd = this.#scope.use(Relay.to(this.#etcd.port));
    const broker = this.#scope.use(Relay.to(this.#broker.port));
    const server = await this.#start(id, etcd, broker);
    const member: Member = { id, etcd, broker, server };
    this.#scope.defer(() => member.server[Symbol.asyncDispose]());
    this.#members.push(member);
    return member;
  }

  async #start(id: string, etcd: Relay, broker: Relay): Promise<ServerProcess> {
    const config = { record: this.#record.file, echo: 1 };
    const module = { lib_path: this.#module, config, timeout_ms: 200 };
    const names = Array.from({ length: this.#options.cars }, (_, i) => `car_${i + 1}`);
    const certificates = this.#certificates;
    return await ServerProcess.start({
      port: broker.port,
      cars: Object.fromEntries(names.map((car) => [car, { 1000: module }])),
      more: {
        logging: { console: { level: "INFO", use: true } },
        // However slow the machine is, no session ends by its own clocks.
        timeout: 120,
        mqtt_timeout: 120,
        cluster: { etcd: [`http://127.0.0.1:${etcd.port}`], instance: id, lease_s: 2 },
      },
    }, {
      record: false,
      args: certificates === undefined ? [] : ["--tls", "--ca", certificates.caFile],
    });
  }

  async #happen(event: Event, member: Member): Promise<void> {
    const ms = 100 + this.#random() * 4_000;
    switch (event) {
      case "kill":
        member.server.signal("SIGKILL");
        await member.server.ended();
        return await this.#restart(member);
      case "stop":
        await member.server.stop();
        return await this.#restart(member);
      case "freeze":
        member.server.signal("SIGSTOP");
        await delay(ms);
        return member.server.signal("SIGCONT");
      case "cut off from etcd":
        member.etcd.cut();
        await delay(ms);
        return member.etcd.mend();
      case "cut off from the broker":
        member.broker.cut();
        await delay(ms / 2);
        return member.broker.mend();
      case "kill etcd":
        await this.#etcd.kill();
        await delay(ms / 2);
        return await this.#etcd.run();
      case "add and stop another": {
        const other = await this.#addMember(`x${this.#members.length + 1}`);
        await this.#answers(2);
        await other.server.stop();
        this.#members.pop();
      }
    }
  }

  async #restart(member: Member): Promise<void> {
    const { id, etcd, broker } = member;
    await member.server[Symbol.asyncDispose]();
    member.server = await this.#start(id, etcd, broker);
  }

  /** Resolves when every car has had so many more answers. */
  async #answers(count: number): Promise<void> {
    const wanted = this.#gateways.map(({ stats }) => stats.answered + count);
    await waitFor(
      () => this.#gateways.every(({ stats }, index) => stats.answered >= (wanted[index] ?? 0)),
      "answers to every car",
    );
  }
}

/** The same numbers from 0 up to 1 for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 4_294_967_296;
  };
}
