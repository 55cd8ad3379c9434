// No moment at which a Connect is lost: gateways that connect at random, over sequences and sessions
// that keep failing [WAIT-CONNECT].
import assert from "node:assert/strict";
import { ConnectResponseType, DeviceState } from "../../src/protocol/messages.ts";
import { derivedSeed, seededRandom } from "../../src/simulator/misbehavior.ts";
import type { ScriptedGateway } from "../support/scripted_gateway.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { delay, waitFor } from "../support/wait.ts";
import { Stage } from "./stage.ts";

const CARS = Array.from({ length: 10 }, (_, i) => `car_${i + 1}`);
const CONNECTS_PER_CAR = 20;
/** `timeout` and `mqtt_timeout`, in seconds: how soon anything left alone fails. */
const PATIENCE = 1;
/** The longest pause before the next Connect, in milliseconds: failures fall into it. */
const PAUSE_MS = 1_500;

/** How far a gateway goes on after its Connect was answered, before it falls silent. */
const DEPTHS = ["nothing", "one status", "all statuses", "running"] as const;

/** What has come for the current session. */
function heard(gateway: ScriptedGateway, kind: "connect_response" | "command") {
  return gateway.unread.filter((one) => one.kind === kind && one.sessionId === gateway.sessionId);
}

/** `told`: how often it had been told to connect again when the Connect was sent. */
async function goOn(
  gateway: ScriptedGateway,
  depth: typeof DEPTHS[number],
  told: number,
): Promise<void> {
  const { devices } = gateway;
  const statuses = {
    nothing: 0,
    "one status": 1,
    "all statuses": devices.length,
    running: devices.length,
  };
  for (const device of devices.slice(0, statuses[depth])) {
    gateway.status(device, "{}", { state: DeviceState.CONNECTING });
  }
  if (depth !== "running") return;
  // On a busy machine the session may fail before the commands are here, or even before this.
  const there = () => heard(gateway, "command").length >= devices.length;
  await waitFor(() => there() || gateway.told.length > told, "the first commands");
  for (const command of heard(gateway, "command")) {
    if (command.kind === "command") gateway.answer(command);
  }
}

/** Sends one Connect and waits for what the protocol says must follow. */
async function connect(gateway: ScriptedGateway, again: boolean): Promise<string> {
  const before = again ? heard(gateway, "connect_response").length : 0;
  gateway.connect(again ? { sessionId: gateway.sessionId } : {});
  const responses = () => heard(gateway, "connect_response").slice(before);
  const what = `an answer to the ${again ? "repeated" : "new"} Connect of "${gateway.car}"`;
  await waitFor(() => responses().length > 0, what);
  const [response] = responses();
  assert.ok(response?.kind === "connect_response");
  // With a known session id it may have failed the sequence, and says so with the same answer.
  return response.type === ConnectResponseType.OK ? "ok" : "already logged";
}

mosquittoTest(
  "200 Connects at random moments over failing sessions are all answered [WAIT-CONNECT]",
  async () => {
    await using stage = await Stage.set();
    const server = await stage.serve({
      cars: Object.fromEntries(CARS.map((car) => [car, {}])),
      more: { timeout: PATIENCE, mqtt_timeout: PATIENCE },
    });
    const answers = { ok: 0, "already logged": 0 };
    await Promise.all(CARS.map(async (car) => {
      const random = seededRandom(derivedSeed(20_261_121, car));
      const gateway = await stage.scripted(car, { devices: 2 });
      for (let i = 0; i < CONNECTS_PER_CAR; i++) {
        const again = i > 0 && random() < 0.3;
        const told = gateway.told.length;
        const answer = await connect(gateway, again);
        answers[answer as keyof typeof answers]++;
        const depth = DEPTHS[Math.floor(random() * DEPTHS.length)] ?? "nothing";
        if (answer === "ok") await goOn(gateway, depth, told);
        // Either at once, in the middle of what goes on, or at any moment of its failing.
        if (random() < 0.8) await delay(random() * PAUSE_MS);
      }
    }));
    // All kinds of moments were met, or this has tested less than it says.
    assert.ok(answers.ok > 100, JSON.stringify(answers));
    assert.ok(answers["already logged"] > 0, JSON.stringify(answers));
    for (
      const reason of ["status_missing", "command_unanswered", "session_timeout", "new_session"]
    ) {
      assert.match(server.text, new RegExp(`Session ended: ${reason}: `));
    }
    assert.doesNotMatch(server.text, /Defect/);
  },
);
