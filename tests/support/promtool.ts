// Prometheus' promtool, from Debian's package `prometheus`.
import assert from "node:assert/strict";
import { waitFor } from "./wait.ts";

/** What is missing, for the name of a test that is skipped; false when it is there or has to be. */
export const needsPromtool = !await exists() && Deno.env.get("REQUIRE_PROMTOOL") !== "1" &&
  "promtool";

async function exists(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("promtool", { args: ["--version"] }).output();
    return success;
  } catch {
    return false;
  }
}

/** Runs it with a string as its input, and returns its output; it has to succeed. */
export async function promtool(args: string[], cwd: string, input = ""): Promise<string> {
  const options = { args, cwd, stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command("promtool", options).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(input)).then(() => writer.close());
  const { success, stdout, stderr } = await waitFor(child.output(), `promtool ${args.join(" ")}`);
  await written;
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.ok(success, text);
  return text;
}
