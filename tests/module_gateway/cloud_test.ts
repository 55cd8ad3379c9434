// What a gateway says to a cloud, and does with what the cloud says.
import assert from "node:assert/strict";
import { encodeClientMessage } from "../../src/protocol/codec/mod.ts";
import { CommandResponseType, DeviceState } from "../../src/protocol/mod.ts";
import { COMPANY } from "../e2e/server_process.ts";
import { BUTTON, LAMP, text } from "../internal_server/support.ts";
import { FakeMqttServer, type FakeServer } from "../simulator/fake_server.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { endpoint, modulesOf, say, ScriptedModule, Stage } from "./support.ts";

const { OK, DEVICE_NOT_CONNECTED, DEVICE_NOT_SUPPORTED } = CommandResponseType;
const { CONNECTING, RUNNING, DISCONNECT } = DeviceState;

/** A gateway, its module, its broker, and a cloud that pleases it. */
class World implements AsyncDisposable {
  readonly module = new ScriptedModule(1000);
  readonly #scope = new AsyncDisposableStack();
  readonly server: FakeMqttServer;
  readonly cloud: FakeServer;
  readonly stage: Stage;

  private constructor(server: FakeMqttServer, stage: Stage, module: ScriptedModule) {
    this.server = server;
    this.cloud = server.car("car_1");
    this.stage = stage;
    this.module = module;
  }

  static async make(): Promise<World> {
    await using made = new AsyncDisposableStack();
    const broker = made.use(await Mosquitto.start());
    const server = made.use(await FakeMqttServer.start(broker.port, COMPANY));
    const module = new ScriptedModule(1000);
    const stage = made.use(
      await Stage.start({
        modules: modulesOf(module),
        endpoints: [endpoint(broker.port)],
        handler: { reportMs: 600_000 },
      }),
    );
    const world = new World(server, stage, module);
    world.#scope.use(made.move());
    return world;
  }

  /** Statuses that the cloud heard: their state and text, and the error message if there is one. */
  statuses(): string[] {
    return this.cloud.received.flatMap((message) => {
      if (message.kind !== "status") return [];
      const { deviceState, device, statusData, errorMessage } = message;
      const error = errorMessage.length === 0 ? "" : ` (${text(errorMessage)})`;
      return [`${deviceState} ${device.deviceRole} ${text(statusData)}${error}`];
    });
  }

  /** Types of the responses to commands, by counter. */
  responses(): Map<number, number> {
    return new Map(
      this.cloud.received.flatMap((message) =>
        message.kind === "command_response" ? [[message.messageCounter, message.type]] : []
      ),
    );
  }

  /** Waits until so many statuses were answered. */
  async answered(count: number): Promise<void> {
    await waitFor(() => {
      const [cloud] = this.stage.gateway.snapshot().endpoints;
      return cloud?.counts.statusesAnswered === count;
    }, `${count} answers`);
  }

  /** The types of the responses to these commands, in order; waits for them. */
  async answersTo(send: () => void): Promise<(number | undefined)[]> {
    const from = this.cloud.commandCounter;
    send();
    const count = this.cloud.commandCounter - from;
    const counters = Array.from({ length: count }, (_, index) => from + index);
    await waitFor(() => counters.every((one) => this.responses().has(one)), "the responses");
    return counters.map((one) => this.responses().get(one));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
  }
}

mosquittoTest(
  "commands are answered by what is known of their devices [GATEWAY-COMMANDS] [HANDLER-COMMAND]",
  async () => {
    await using world = await World.make();
    const { cloud, stage, module } = world;
    const button = await stage.device(BUTTON);
    await say(button, "a");
    await stage.sessions(1);
    const types = await world.answersTo(() => {
      cloud.command(BUTTON, "go");
      cloud.command(BUTTON, "");
      cloud.command(LAMP, "go");
    });
    assert.deepEqual(types, [OK, OK, DEVICE_NOT_CONNECTED]);
    await waitFor(() => stage.gateway.snapshot().devices[0]?.waitingCommands === 1, "the command");
    assert.equal(await say(button, "b"), "<go for b at a+b>");
    assert.equal(module.calls.filter(({ name }) => name === "command_data_valid").length, 1);
  },
);

mosquittoTest(
  "a module is asked for a type nobody knows, and what comes behind waits in order",
  async () => {
    await using world = await World.make();
    const { cloud, stage, module } = world;
    await say(await stage.device(BUTTON), "a");
    await stage.sessions(1);
    const gate = Promise.withResolvers<void>();
    module.waits.set("is_device_type_supported", gate.promise);
    const asked = (count: number) => () =>
      module.calls.filter(({ name }) => name === "is_device_type_supported").length === count;
    const answers = world.answersTo(() => {
      cloud.command({ ...LAMP, deviceType: 8 }, "x");
      cloud.command(BUTTON, "y");
      cloud.command({ ...LAMP, deviceType: 9 }, "z");
      cloud.command(BUTTON, "");
    });
    await waitFor(asked(2), "the question");
    assert.ok(!world.responses().has(cloud.commandCounter - 1));
    module.script = { is_device_type_supported: -1 };
    gate.resolve();
    assert.deepEqual(await answers, [DEVICE_NOT_SUPPORTED, OK, DEVICE_NOT_SUPPORTED, OK]);
    assert.ok(asked(3)());
    assert.equal(stage.gateway.snapshot().endpoints[0]?.counts.violations, 0);
  },
);

mosquittoTest(
  "a command for a module that is not served is not answered: a new session begins [GATEWAY-COMMANDS]",
  async () => {
    await using world = await World.make();
    const { cloud, stage } = world;
    await say(await stage.device(BUTTON), "a");
    await stage.sessions(1);
    const counter = cloud.commandCounter;
    cloud.command({ ...BUTTON, module: 5 }, "x");
    await stage.sessions(2);
    assert.ok(!world.responses().has(counter));
  },
);

mosquittoTest(
  "where commands are forwarded, a device has them at once [HANDLER-FORWARD]",
  async () => {
    await using world = await World.make();
    const { cloud, stage, module } = world;
    module.script = { forward_command_on_receive: 0 };
    const button = await stage.device(BUTTON);
    assert.equal(await say(button, "a"), "");
    await stage.sessions(1);
    const command = button.commands[Symbol.asyncIterator]().next();
    cloud.command(BUTTON, "go");
    assert.equal(text((await waitFor(command, "the command")).value), "<go for a at a>");
  },
);

mosquittoTest(
  "a gateway that is told to connect again repeats current statuses, without an error [GATEWAY-PREPARE]",
  async () => {
    await using world = await World.make();
    const { cloud, stage, module } = world;
    const button = await stage.device(BUTTON);
    await say(button, "a");
    await stage.sessions(1);
    module.script = { send_status_condition: -11 };
    await say(button, "quiet");
    cloud.alreadyLogged();
    await stage.sessions(2);
    assert.deepEqual(world.statuses(), [
      `${CONNECTING} button a (a)`,
      `${CONNECTING} button a+quiet`,
    ]);
  },
);

mosquittoTest(
  "what the cloud did not answer is told again, with its error message [ERROR-AGGREGATE]",
  async () => {
    await using world = await World.make();
    const { cloud, stage } = world;
    const [button, lamp] = [await stage.device(BUTTON), await stage.device(LAMP)];
    await say(button, "a");
    await stage.sessions(1);
    await say(lamp, "x");
    await world.answered(2);
    cloud.answering = false;
    await say(button, "b");
    await say(button, "c");
    await waitFor(() => world.statuses().at(-1) === `${RUNNING} button a+b+c`, "the statuses");
    const from = world.statuses().length;
    cloud.answering = true;
    cloud.alreadyLogged();
    await stage.sessions(2);
    assert.deepEqual(world.statuses().slice(from).toSorted(), [
      `${CONNECTING} button a+b+c (a+b, a+b+c)`,
      `${CONNECTING} lamp x`,
    ]);
    // The message was told: the next session begins without one.
    cloud.alreadyLogged();
    await stage.sessions(3);
    assert.equal(world.statuses().at(-2), `${CONNECTING} button a+b+c`);
  },
);

mosquittoTest(
  "a slow error message holds up the Connect, and nothing else [GATEWAY-PREPARE]",
  async () => {
    await using world = await World.make();
    const { cloud, stage, module } = world;
    const gate = Promise.withResolvers<void>();
    module.waits.set("aggregate_error", gate.promise);
    const button = await stage.device(BUTTON);
    await say(button, "a");
    await stage.phase("prepare");
    assert.equal(await say(button, "b"), "<<default for a at a> for b at a+b>");
    assert.deepEqual(cloud.received, []);
    gate.resolve();
    await stage.sessions(1);
    assert.deepEqual(world.statuses(), [`${CONNECTING} button a+b (a, a+b)`]);
  },
);

mosquittoTest(
  "a device that went between two sessions is not told of [HANDLER-DISCONNECT]",
  async () => {
    await using world = await World.make();
    const { cloud, stage, server } = world;
    const [button, lamp] = [await stage.device(BUTTON), await stage.device(LAMP)];
    await say(button, "a");
    await say(lamp, "x");
    await waitFor(() => world.statuses().length === 2, "both devices");
    await stage.sessions(1);
    server.notify("car_1");
    await stage.phase("not_initialized");
    await button.close();
    await waitFor(() => stage.gateway.snapshot().devices.length === 1, "the device to go");
    const from = cloud.received.length;
    await say(lamp, "y");
    await stage.sessions(2);
    const [connect] = cloud.received.slice(from);
    assert.deepEqual(connect?.kind === "connect" && connect.devices.map((one) => one.deviceRole), [
      "lamp",
    ]);
  },
);

mosquittoTest(
  "a device that goes is told of with its last status, and commands to it are refused",
  async () => {
    await using world = await World.make();
    const { cloud, stage, module } = world;
    const [button, lamp] = [await stage.device(BUTTON), await stage.device(LAMP)];
    await say(lamp, "x");
    await say(button, "a");
    await waitFor(() => world.statuses().length === 2, "both devices");
    await stage.sessions(1);
    module.script = { send_status_condition: -11 };
    await say(button, "quiet");
    await button.close();
    await waitFor(() => world.statuses().length === 3, "the last status");
    assert.equal(world.statuses().at(-1), `${DISCONNECT} button a+quiet`);
    assert.deepEqual(await world.answersTo(() => cloud.command(BUTTON, "go")), [
      DEVICE_NOT_CONNECTED,
    ]);
  },
);

mosquittoTest("a gateway that stops leaves without a word [GATEWAY-STOP]", async () => {
  await using world = await World.make();
  const { cloud, stage, server } = world;
  const button = await stage.device(BUTTON);
  await say(button, "a");
  await stage.sessions(1);
  cloud.answering = false;
  await say(button, "b");
  await waitFor(() => world.statuses().length === 2, "the statuses");
  const heard = cloud.received.length;
  await stage.gateway.stop();
  // Whatever it said is at the broker by now, before this.
  const mark = { kind: "command_response", sessionId: "mark", type: 0, messageCounter: 0 } as const;
  server.publish(`${COMPANY}/car_1/module_gateway`, encodeClientMessage(mark));
  await waitFor(() => cloud.received.length > heard, "the mark");
  assert.deepEqual(cloud.received.slice(heard), [mark]);
  assert.deepEqual(stage.gateway.snapshot().endpoints[0]?.devices, []);
});
