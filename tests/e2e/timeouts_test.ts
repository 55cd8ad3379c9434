// What the server waits for in vain, and for how long: one server, a car for each way to be silent
// [FAIL-REASONS]. Time limits are short here; which one ran out is what is tested.
import assert from "node:assert/strict";
import { type Command, DeviceState } from "../../src/protocol/messages.ts";
import type { ScriptedGateway } from "../support/scripted_gateway.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import type { ServerProcess } from "./server_process.ts";
import { Stage } from "./stage.ts";

/** Seconds. */
const TIMEOUT = 5;
const MQTT_TIMEOUT = 10;

/** Expects the coded reason, the end of every device, and that the next Connect is answered. */
async function failed(
  { record }: Stage,
  server: ServerProcess,
  gateway: ScriptedGateway,
  reason: RegExp,
): Promise<void> {
  const { car, sessionId, devices } = gateway;
  const line = await server.line(new RegExp(`\\(${car}\\)\tSession ended: .*session=${sessionId}`));
  assert.match(line, reason);
  gateway.connect();
  await gateway.expect("connect_response");
  // The new session may have failed by now as well, on a machine that stood still.
  const ended = (await record.deviceCalls("device_disconnected", car)).slice(0, devices.length);
  assert.deepEqual(ended.map(({ disconnectType }) => disconnectType), devices.map(() => 1));
}

mosquittoTest(
  "what does not come in time fails the session, by name [FAIL-REASONS]",
  async (t) => {
    await using stage = await Stage.set();
    const names = ["silent", "no_status", "some_statuses", "no_first_response"].concat(
      ["no_response", "gap", "far_ahead"],
    );
    const server = await stage.serve({
      cars: Object.fromEntries(
        names.map((name) => [name, { echo: name === "no_response" ? 1 : 0 }]),
      ),
      more: { timeout: TIMEOUT, mqtt_timeout: MQTT_TIMEOUT },
    });
    const way = async (
      car: typeof names[number],
      devices: number,
      act: (gateway: ScriptedGateway) => Promise<unknown>,
      reason: RegExp,
      isTold = true,
    ) =>
      await t.step({
        name: `${car}: ${reason.source}`,
        sanitizeOps: false,
        sanitizeResources: false,
        sanitizeExit: false,
        fn: async () => {
          const gateway = await stage.scripted(car, { devices });
          await act(gateway);
          if (isTold) assert.equal(await gateway.expectTold(), gateway.sessionId);
          await failed(stage, server, gateway, reason);
          // One that fell silent in its sequence may be in the next one by now: a word would fail it.
          if (!isTold) assert.deepEqual(gateway.told, []);
        },
      });

    await Promise.all([
      way(
        "silent",
        2,
        (gateway) => gateway.connectSequence(),
        /session_timeout: Any message of the gateway within 10000 ms, waited \d+\.\d s for it/,
      ),
      way(
        "no_status",
        1,
        async (gateway) => {
          gateway.connect();
          await gateway.expect("connect_response");
        },
        /status_missing: First status of 1000\/0\/role_1, waited \d+\.\d s for it/,
        false,
      ),
      way(
        "some_statuses",
        3,
        async (gateway) => {
          gateway.connect();
          await gateway.expect("connect_response");
          const [, device] = gateway.devices;
          assert.ok(device);
          gateway.status(device, "{}", { state: DeviceState.CONNECTING });
          await gateway.expect("status_response");
        },
        /status_missing: First status of 1000\/0\/role_1, 1000\/0\/role_3, waited/,
        false,
      ),
      way(
        "no_first_response",
        2,
        async (gateway) => {
          gateway.connect();
          await gateway.expect("connect_response");
          for (const device of gateway.devices) {
            gateway.status(device, "{}", { state: DeviceState.CONNECTING });
            await gateway.expect("status_response");
          }
          gateway.answer(await gateway.expect("command"));
          await gateway.expect("command");
        },
        /command_unanswered: 1 command response of the connect sequence, waited/,
        false,
      ),
      way("no_response", 1, async (gateway) => {
        await gateway.connectSequence();
        // The echo of the first status.
        const command: Command = await gateway.expect("command");
        assert.equal(command.messageCounter, 1);
      }, /command_unanswered: Response to command 1 for 1000\/0\/role_1, waited/),
      way("gap", 1, async (gateway) => {
        await gateway.connectSequence();
        const [device] = gateway.devices;
        assert.ok(device);
        gateway.status(device, "early", { counter: 3 });
      }, /status_gap: Status with counter 2, 1 came after it, waited/),
      way("far_ahead", 1, async (gateway) => {
        await gateway.connectSequence();
        const [device] = gateway.devices;
        assert.ok(device);
        gateway.status(device, "too early", { counter: 1003 });
      }, /status_gap: Status counter 1003 is 1001 ahead of 2/),
    ]);
  },
);
