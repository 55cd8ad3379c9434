// Uncaught errors do not end the service, in a process of its own.
import assert from "node:assert/strict";
import { TempFolder } from "../support/temp.ts";

Deno.test("reportUncaught() says what nobody caught, with its stack, and lets the rest go on", async () => {
  await using folder = await TempFolder.make();
  const script = await folder.write(
    "script.ts",
    `import { reportUncaught } from "${new URL(
      "../../src/cli/uncaught_errors.ts",
      import.meta.url,
    )}";
     // Each step follows the report of the one before it.
     const steps = [
       () => { Promise.reject(new Error("first")); },
       () => { setTimeout(() => { throw new Error("second"); }, 0); },
       () => { Promise.reject("third"); },
       () => { console.log(JSON.stringify("still here")); Deno.exit(7); },
     ];
     const next = () => setTimeout(() => steps.shift()(), 0);
     reportUncaught((text) => { console.log(JSON.stringify(text)); next(); });
     next();`,
  );
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-config", script],
  }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 4);
  assert.match(
    lines[0],
    /^Defect, unhandled rejection: Error: first\n +at .*script\.ts/,
  );
  assert.match(lines[1], /^Defect, uncaught error: Error: second\n +at .*script\.ts/);
  assert.equal(lines[2], "Defect, unhandled rejection: third");
  assert.equal(lines[3], "still here");
  assert.equal(code, 7);
});
