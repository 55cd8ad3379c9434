// Clients of the operators' port against cars, and against the port itself.
import assert from "node:assert/strict";
import { program } from "../e2e/server_process.ts";
import { Stage } from "../e2e/stage.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { AttackProcess } from "./attacks.ts";
import { answered, isHealthy, operatorsPort, stops } from "./support.ts";

const FEW_FILES = 160;
const CLIENTS = 10;

mosquittoTest(
  "running out of descriptors ends neither the operators' port nor a session",
  async () => {
    await using stage = await Stage.set();
    const [command, args] = program();
    const limited = ["-c", `ulimit -n ${FEW_FILES}; exec "$@"`, "sh", command, ...args];
    const server = await stage.serve({
      cars: { car_1: {} },
      more: { http: { port: 0 } },
      options: { command: ["sh", limited] },
    });
    const port = await operatorsPort(server);
    const gateway = stage.gateway("car_1");
    const session = await gateway.running();
    for (let round = 0; round < 3; round++) {
      const many = { port, connections: 3 * FEW_FILES };
      await using _attack = await AttackProcess.start("idleConnections", many);
      await answered(gateway, 10);
    }
    await waitFor(() => isHealthy(port), "the health check to be answered again");
    assert.equal(gateway.sessionId, session);
    assert.deepEqual(gateway.violations, []);
    await stops(server);
  },
);

mosquittoTest("event streams that nobody reads hold up neither cars nor the end", async () => {
  await using stage = await Stage.set();
  const server = await stage.serve({ cars: { car_1: {} }, more: { http: { port: 0 } } });
  const port = await operatorsPort(server);
  const target = { port, connections: CLIENTS, path: "/api/v1/events" };
  await using _attack = await AttackProcess.start("deafRequests", target);
  const gateway = stage.gateway("car_1", { rate: 0, window: 50 });
  const session = await gateway.running();
  await waitFor(() => gateway.stats.answered >= 20_000, "statuses to be answered");
  assert.equal(gateway.sessionId, session);
  assert.ok(await isHealthy(port));
  await stops(server);
});
