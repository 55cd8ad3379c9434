// The whole chain, from a device to a module and back, while its parts are killed at random.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { InternalClient } from "../../src/internal_client/mod.ts";
import { freePort, Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { CAR, gatewayDocument, GatewayProcess } from "./gateway_process.ts";
import { childrenOf, holdingsOf } from "./processes.ts";
import { ServerProcess } from "./server_process.ts";

/** A hundred take a quarter of an hour: `CHAIN_KILLS=100`. */
const KILLS = Number(Deno.env.get("CHAIN_KILLS") ?? 10);
const SEED = Number(Deno.env.get("CHAIN_SEED") ?? 1);
/** Of one module of a gateway; a server needs one for one car. */
const MAX_HOSTS = 4;
/** A gateway with all its hosts has some 45. */
const MAX_FILES = 64;
/** Only a hang takes that long, in milliseconds. */
const PATIENT_MS = 300_000;

const VICTIMS = ["gateway", "server", "broker", "the server's host", "the gateway's host"] as const;

function example(name: string): string {
  return fileURLToPath(new URL(`../../examples/module-ts/${name}`, import.meta.url));
}

/** Numbers from 0 up to 1, the same for the same seed. */
function* randomNumbers(seed: number): Generator<number, never> {
  for (let state = seed >>> 0;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** The victims in rounds, each round in another order: all get their share. */
function* victims(seed: number): Generator<typeof VICTIMS[number], never> {
  const random = randomNumbers(seed);
  for (;;) {
    const round = VICTIMS.map((victim) => ({ victim, at: random.next().value }));
    for (const { victim } of round.sort((a, b) => a.at - b.at)) yield victim;
  }
}

interface Held {
  readonly children: number;
  readonly files: number;
}

/** Every part of the chain, each in processes of its own but for the devices. */
class Chain implements AsyncDisposable {
  readonly broker: Mosquitto;
  readonly #gatewayPort = freePort();
  readonly #scope = new AsyncDisposableStack();
  server!: ServerProcess;
  gateway!: GatewayProcess;
  button!: InternalClient;
  led!: InternalClient;

  private constructor(broker: Mosquitto) {
    this.broker = this.#scope.use(broker);
    // Before the broker ends, in the order of the chain.
    this.#scope.defer(() => this.server?.[Symbol.asyncDispose]());
    this.#scope.defer(() => this.gateway?.[Symbol.asyncDispose]());
    this.#scope.defer(() => this.led?.close());
    this.#scope.defer(() => this.button?.close());
  }

  static async start(): Promise<Chain> {
    const chain = new Chain(await Mosquitto.start());
    try {
      await chain.startServer();
      await chain.startGateway();
      const device = { module: 1000, role: "front", reconnect: "forever" } as const;
      const port = chain.#gatewayPort;
      const timeoutMs = PATIENT_MS;
      const connect = (type: number, name: string) =>
        InternalClient.connect({ ...device, port, timeoutMs, type, name });
      chain.button = await connect(0, "button");
      chain.led = await connect(1, "led");
      return chain;
    } catch (error) {
      await chain[Symbol.asyncDispose]();
      throw error;
    }
  }

  async startServer(): Promise<void> {
    const cars = { [CAR]: { "1000": { lib_path: example("example_module.ts") } } };
    this.server = await ServerProcess.start({ port: this.broker.port, cars }, { record: false });
  }

  async startGateway(): Promise<void> {
    const document = await gatewayDocument(this.broker.port, {
      "module-paths": { "1000": example("gateway_module.ts") },
    });
    const server = document["internal-server-settings"] as object;
    this.gateway = await GatewayProcess.start({
      ...document,
      "internal-server-settings": { ...server, port: this.#gatewayPort, takeover: "probe" },
    });
  }

  async kill(victim: typeof VICTIMS[number]): Promise<void> {
    switch (victim) {
      case "gateway":
        await this.#end(this.gateway);
        return await this.startGateway();
      case "server":
        await this.#end(this.server);
        return await this.startServer();
      case "broker":
        await this.broker.kill();
        return await this.broker.restart();
      case "the server's host":
        return await killHost(this.server.pid);
      case "the gateway's host":
        return await killHost(this.gateway.pid);
    }
  }

  /** Presses or releases the button until the LED is as it says: a status may be lost on its way. */
  async works(pressed: boolean): Promise<void> {
    let lit: unknown;
    await waitFor(
      async () => {
        await say(this.button, { pressed });
        ({ lit } = await say(this.led, { lit: lit ?? false }));
        return lit === pressed;
      },
      `the LED to be ${pressed ? "lit" : "put out"}`,
      PATIENT_MS,
    );
  }

  /** What the server and the gateway hold. */
  async holdings(): Promise<Held[]> {
    return await Promise.all([this.server.pid, this.gateway.pid].map(async (pid) => {
      const [children, { files }] = await Promise.all([childrenOf(pid), holdingsOf(pid)]);
      return { children: children.length, files };
    }));
  }

  /** Kills a process of the program without a word; what it printed is checked. */
  async #end(process: GatewayProcess | ServerProcess): Promise<void> {
    assertOrderly(process);
    await process[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}

async function killHost(pid: number): Promise<void> {
  const [host] = await waitFor(async () => {
    const children = await childrenOf(pid);
    return children.length > 0 && children;
  }, "a module host") as number[];
  if (host !== undefined) Deno.kill(host, "SIGKILL");
}

async function say(device: InternalClient, status: object): Promise<{ lit?: unknown }> {
  const command = await device.sendStatus(JSON.stringify(status), { timeoutMs: PATIENT_MS });
  return command.length === 0 ? {} : JSON.parse(new TextDecoder().decode(command));
}

/** A command that came twice, or out of order, breaks the protocol; so does an answer. */
function assertOrderly({ lines }: { readonly lines: readonly string[] }): void {
  const broken = lines.filter((line) => /broke the protocol|\bDefect\b/.test(line));
  assert.deepEqual(broken, []);
}

mosquittoTest(
  `the chain is back by itself, whichever part is killed (seed ${SEED}, ${KILLS} kills)`,
  async () => {
    await using chain = await Chain.start();
    await chain.works(true);
    const order = victims(SEED);
    let pressed = true;
    for (let kill = 0; kill < KILLS; kill++) {
      const victim = order.next().value;
      pressed = !pressed;
      try {
        await chain.kill(victim);
        await chain.works(pressed);
      } catch (cause) {
        const said = `${chain.gateway.text.slice(-4_000)}\n--\n${chain.server.text.slice(-4_000)}`;
        throw new Error(`Kill ${kill} (${victim}): ${(cause as Error).message}\n${said}`, {
          cause,
        });
      }
    }
    assertOrderly(chain.gateway);
    assertOrderly(chain.server);
    assert.equal(chain.button.state.kind, "connected");
    await waitFor(
      async () => (await chain.holdings()).every(isLittle),
      "nothing to be left of what was killed",
    );
  },
);

/** A call that was slow once has a spare host for a while, with a few files of its own. */
function isLittle({ children, files }: Held): boolean {
  return children <= MAX_HOSTS && files <= MAX_FILES;
}
