// A Module Gateway in the process of the test, and devices that connect to it.
import { InternalClient } from "../../src/internal_client/mod.ts";
import { INTERNAL_SERVER_LIMITS, INTERNAL_SERVER_SETTINGS } from "../../src/internal_server/mod.ts";
import {
  type GatewayTurn,
  ModuleGateway,
  type ModuleGatewayOptions,
} from "../../src/module_gateway/mod.ts";
import type { GatewayCall, GatewayModule, GatewayReturn } from "../../src/module/mod.ts";
import type { Device } from "../../src/protocol/mod.ts";
import { COMPANY } from "../e2e/server_process.ts";
import { plainReturn, type Script, scripted } from "../module_handler/support.ts";
import { ListLog } from "../support/list_log.ts";
import { waitFor } from "../support/wait.ts";

/** Only a hang takes that long. */
const PATIENT_MS = 600_000;

/** A module that joins what it is given, unless its script says otherwise. */
export class ScriptedModule implements GatewayModule {
  readonly number: number;
  readonly calls: GatewayCall[] = [];
  script: Script = {};
  /** Calls of a function wait for this. */
  readonly waits = new Map<GatewayCall["name"], Promise<unknown>>();

  constructor(number: number) {
    this.number = number;
  }

  async call(call: GatewayCall): Promise<GatewayReturn> {
    this.calls.push(call);
    await this.waits.get(call.name);
    const returned = scripted(this.script, call);
    if ("failure" in returned) throw new Error(returned.failure);
    return returned;
  }
}

/** The gateway's side of the example module: whatever the cloud says, the device is told. */
export class ExampleModule implements GatewayModule {
  readonly number = 1000;

  call(call: GatewayCall): Promise<GatewayReturn> {
    switch (call.name) {
      case "aggregate_status":
        return Promise.resolve({ code: 0, data: call.fresh });
      case "generate_command":
        return Promise.resolve({ code: 0, data: call.command });
      default:
        return Promise.resolve(plainReturn(call));
    }
  }
}

/** A gateway on a free port, with clocks that fail nothing on a slow machine; and its turns. */
export class Stage implements AsyncDisposable {
  readonly gateway: ModuleGateway;
  readonly log = new ListLog();
  readonly turns: GatewayTurn[] = [];
  readonly #scope = new AsyncDisposableStack();

  private constructor(options: StageOptions) {
    const { limits = {}, ...more } = options;
    this.gateway = new ModuleGateway({
      company: COMPANY,
      car: "car_1",
      listen: [{ port: 0, host: "127.0.0.1" }],
      log: this.log,
      internalServer: {
        ...INTERNAL_SERVER_SETTINGS,
        limits: { ...INTERNAL_SERVER_LIMITS, answerMs: PATIENT_MS, ...limits },
      },
      subscribers: [{ onTurn: (turn) => this.turns.push(turn) }],
      ...more,
      times: {
        sequenceMs: PATIENT_MS,
        responseMs: PATIENT_MS,
        retryMs: 100,
        lookMs: 50,
        leaveMs: 50,
        ...more.times,
      },
    });
    this.#scope.use(this.gateway);
  }

  static async start(options: StageOptions): Promise<Stage> {
    const stage = new Stage(options);
    await stage.gateway.start();
    return stage;
  }

  get port(): number {
    return (this.gateway.addresses[0] as Deno.NetAddr).port;
  }

  /** A device that has connected; it closes with the stage. */
  async device(device: Device): Promise<InternalClient> {
    const { module, deviceType: type, deviceRole: role, deviceName: name, priority } = device;
    const more = { host: "127.0.0.1", port: this.port, timeoutMs: PATIENT_MS };
    const client = await InternalClient.connect({ module, type, role, name, priority, ...more });
    return this.#scope.use(client);
  }

  /** Waits until an endpoint has this phase. */
  async phase(phase: string, endpoint = 0): Promise<void> {
    await waitFor(
      () => this.gateway.snapshot().endpoints[endpoint]?.phase === phase,
      `phase ${phase}`,
    );
  }

  /** Waits until there were so many sessions. */
  async sessions(count: number, endpoint = 0): Promise<void> {
    await waitFor(() => {
      const at = this.gateway.snapshot().endpoints[endpoint];
      return at?.phase === "connected" && at.counts.sessions >= count;
    }, `${count} sessions`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
  }
}

export type StageOptions =
  & Pick<ModuleGatewayOptions, "modules" | "endpoints">
  & Partial<ModuleGatewayOptions>
  & { readonly limits?: Partial<typeof INTERNAL_SERVER_LIMITS> };

/** An endpoint on this machine. */
export function endpoint(port: number, modules: readonly number[] = [1000], name = "cloud") {
  return { name, broker: { host: "127.0.0.1", port }, modules };
}

/** Sends a status, and waits for the answer as long as it takes. */
export async function say(client: InternalClient, status: string): Promise<string> {
  return new TextDecoder().decode(await client.sendStatus(status, { timeoutMs: PATIENT_MS }));
}

/** Modules by their numbers. */
export function modulesOf(...modules: readonly GatewayModule[]): Map<number, GatewayModule> {
  return new Map(modules.map((module) => [module.number, module]));
}
