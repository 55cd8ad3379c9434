// Cars with modules in hosts that are not processes, and time that a test moves.
import { Car } from "../../src/car/car.ts";
import type { ContextSpec } from "../../src/module/context.ts";
import type { StartHost } from "../../src/server/hosts.ts";
import type { HostLoss } from "../../src/server/host_losses.ts";
import { Supervisor } from "../../src/server/supervisor.ts";
import { SETTINGS } from "../car/support.ts";
import { ListLog } from "../support/list_log.ts";
import { MemoryTransport } from "../support/memory_transport.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { FakeHosts } from "./fake_hosts.ts";

/** A car, its contexts, and what became of their start. */
export interface TestMember {
  readonly car: Car;
  readonly transport: MemoryTransport;
  /** The car goes. */
  readonly remove: () => Promise<void>;
  /** Reasons not to start the server. */
  readonly unusable: string[];
  readonly started: Promise<void>;
}

/** A supervisor, and cars as many as a test wants. */
export class ModulesFixture {
  readonly clock = new VirtualClock();
  readonly log = new ListLog();
  readonly hosts = new FakeHosts();
  readonly supervisor: Supervisor;

  constructor(
    contextsPerHost = 15,
    startHost: StartHost = this.hosts.start,
    onHostLost: (loss: HostLoss) => void = () => {},
  ) {
    const { clock, log } = this;
    this.supervisor = new Supervisor({ startHost, log, clock, contextsPerHost, onHostLost });
  }

  /** A car with these modules, connected to the broker, whose contexts are being opened. */
  add(name: string, modules: readonly number[] = [7]): TestMember {
    const { clock, log, supervisor } = this;
    const transport = new MemoryTransport();
    const settings = { ...SETTINGS, car: name, modules };
    const car = new Car({ settings, transport, log, clock, maxMessageBytes: 1000 });
    const specs = modules.map((module) => specOf(name, module));
    const unusable: string[] = [];
    const onUnusable = (error: Error) => unusable.push(error.message);
    const started = supervisor.add(car, specs, { onUnusable });
    car.start();
    transport.up();
    return { car, transport, remove: () => supervisor.remove(car), unusable, started };
  }

  /** Several cars with one module each, all started. */
  async addMany(count: number): Promise<TestMember[]> {
    const members = Array.from({ length: count }, (_, index) => this.add(`car_${index}`));
    await Promise.all(members.map(({ started }) => started));
    return members;
  }

  /** How many contexts each car has, host by host. */
  get placement(): Record<string, number>[] {
    return this.supervisor.snapshot().map(({ cars }) => cars);
  }

  /** The pause announced last, in seconds. */
  get announced(): number {
    const text = this.log.texts("CRITICAL").at(-1) ?? "";
    return Number(/next attempt in ([\d.]+) s/.exec(text)?.[1]);
  }
}

/** What a context is made from. */
export function specOf(car: string, module = 7): ContextSpec {
  return {
    company: "acme",
    car,
    module,
    libPath: `/modules/${module}.so`,
    parameters: [],
    waitTimeoutMs: 1000,
  };
}
