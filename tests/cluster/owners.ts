// Instances that hand one car over to each other through a real broker, without processes and etcd: the
// test says who owns the car.
import assert from "node:assert/strict";
import { Car } from "../../src/car/car.ts";
import type { Adoption } from "../../src/cluster/car_cluster.ts";
import { CarConversations } from "../../src/cluster/car_conversations.ts";
import type { BrokerConfig } from "../../src/config/resolve/config.ts";
import { systemClock } from "../../src/time/clock.ts";
import { createConnector } from "../../src/transport/connector.ts";
import { SETTINGS } from "../car/support.ts";
import { FakeContext } from "../support/fake_context.ts";
import { ListLog } from "../support/list_log.ts";
import { Inbox } from "../support/wait.ts";

export const MODULE = 1000;
const TEST_SETTINGS = { ...SETTINGS, modules: [MODULE], sessionMs: 60_000, responseMs: 60_000 };

/** Who owns the car, and what modules have seen of it. */
export class Ownerships implements AsyncDisposable {
  epoch = 0;
  owner: Owner | null = null;
  /** The data of statuses that any module has seen, in order. */
  readonly forwarded: string[] = [];
  /** The data of commands that any module knows to be with its device, in order. */
  readonly acknowledged: string[] = [];
  readonly #broker: BrokerConfig;
  readonly #owners: Owner[] = [];

  constructor(broker: BrokerConfig) {
    this.#broker = broker;
  }

  /** Another instance, with module contexts unless told otherwise. */
  async instance(
    options: { modules?: boolean; beforeAnswer?: (send: () => void) => void } = {},
  ): Promise<Owner> {
    const owner = await Owner.make(this, this.#broker, options.beforeAnswer);
    this.#owners.push(owner);
    if (options.modules ?? true) owner.makeContexts();
    return owner;
  }

  /** `to` takes the car; whoever had it is not told. */
  take(to: Owner, minEpoch = 0): Promise<Adoption> {
    this.owner = to;
    return to.cars.adopt(to.car, { epoch: ++this.epoch, minEpoch, planned: false });
  }

  /** As {@linkcode take}, which must be exact. */
  async takeExactly(to: Owner): Promise<void> {
    const adoption = await this.take(to);
    assert.equal(adoption.kind, "exact", JSON.stringify(adoption));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#owners.map((owner) => owner.car.stop()));
  }
}

/** One instance. */
export class Owner {
  readonly log = new ListLog();
  readonly cars: CarConversations;
  readonly car: Car;
  readonly readopted = new Inbox<Adoption>();
  context: FakeContext | null = null;
  /** Called before each proof. */
  onProof: () => void = () => {};
  readonly #world: Ownerships;

  private constructor(
    world: Ownerships,
    makeCars: (owner: Owner) => CarConversations,
    beforeAnswer?: (send: () => void) => void,
  ) {
    this.#world = world;
    this.cars = makeCars(this);
    const transport = this.cars.createTransport({
      company: TEST_SETTINGS.company,
      car: TEST_SETTINGS.car,
      maxMessageBytes: 1_000_000,
      maxMessagesPerSecond: 10_000,
    });
    this.car = new Car({
      settings: TEST_SETTINGS,
      transport,
      log: this.log,
      maxMessageBytes: 1_000_000,
      subscribers: [this.cars],
      beforeAnswer,
    });
    this.car.start();
  }

  static async make(
    world: Ownerships,
    broker: BrokerConfig,
    beforeAnswer?: (send: () => void) => void,
  ): Promise<Owner> {
    const connector = await createConnector({ broker, refusedPauseMs: 20, log: new ListLog() });
    const make = (owner: Owner) =>
      new CarConversations({
        connector,
        log: owner.log,
        clock: systemClock,
        listener: {
          proveOwnership: (_car, epoch) => {
            owner.onProof();
            return Promise.resolve(world.owner === owner && world.epoch === epoch);
          },
          onReadopted: (_car, adoption) => owner.readopted.push(adoption),
        },
      });
    return new Owner(world, make, beforeAnswer);
  }

  /** Makes the module contexts of the car. */
  makeContexts(): void {
    const { company, car } = TEST_SETTINGS;
    const spec = {
      company,
      car,
      module: MODULE,
      libPath: "/module.so",
      parameters: [],
      waitTimeoutMs: 1_000,
    };
    const context = new FakeContext(spec, { onCommand: () => {}, onLost: () => {} });
    context.onCall = (line) => {
      const [call, , ...data] = line.split(" ");
      if (call === "status") this.#world.forwarded.push(data.join(" "));
      if (call === "acknowledge") this.#world.acknowledged.push(data.join(" "));
    };
    this.context = context;
    this.car.attach(context);
    this.car.modulesReady();
  }

  /** Hands the car over as planned, and is ready to take it again. */
  async release(): Promise<void> {
    const release = await this.cars.release(this.car);
    assert.deepEqual(release, { kind: "exact" });
    this.makeContexts();
  }

  /** Is gone without having said anything; modules forget what they were told. */
  async die(): Promise<void> {
    await this.cars.abandon(this.car);
  }

  /** A module has a command. */
  command(device: Parameters<Car["takeCommand"]>[1]["device"], data: string): void {
    this.car.takeCommand(MODULE, { device, data: new TextEncoder().encode(data) });
  }
}
