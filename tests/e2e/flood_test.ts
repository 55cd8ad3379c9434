// A topic that is flooded with what is no message: whoever did that must harm that car alone.
import assert from "node:assert/strict";
import { AttackProcess } from "../adversary/attacks.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { PATIENT, Stage } from "./stage.ts";

/** Far more than a car may send, and about what a client on the same machine can. */
const PER_SECOND = 100_000;
/** Statuses of the other car that are answered during each flood. */
const STATUSES = 200;

for (const junk of ["noise", "mutated", "stray"] as const) {
  mosquittoTest(
    `a flood of ${junk} on one car's topic slows that car down, and no other`,
    async () => {
      await using stage = await Stage.set();
      const server = await stage.serve({ cars: { flooded: {}, well: {} } });
      const gateway = stage.gateway("well", { rate: 100, clocks: PATIENT });
      await gateway.running();
      const { port } = stage.broker;
      await using attack = await AttackProcess.start("flood", {
        port,
        car: "flooded",
        perSecond: PER_SECOND,
        junk,
        bytes: 40,
      });
      await server.line(/\[WARNING\].*\(flooded\)\tReading slowed down: .*, which is 10000/);
      const from = gateway.stats.answered;
      await waitFor(
        () => gateway.stats.answered >= from + STATUSES,
        `${STATUSES} answers during the flood`,
      );
      assert.deepEqual(gateway.violations, []);
      // It is not stopped, and the server stops all the same.
      assert.equal((await server.stop()).code, 0);
      assert.doesNotMatch(server.text, /Gave up/);
      assert.ok(((await attack.counts())["sent"] ?? 0) > PER_SECOND / 2);
    },
  );
}
