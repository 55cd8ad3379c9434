// Writes what is derived from the source and checked in: run it when keys or methods have changed.
import { runSchema } from "../src/cli/schema.ts";

const FILES = {
  config: "config/external-server.schema.json",
  keys: "docs/configuration_keys.md",
  gateway: "config/module-gateway.schema.json",
  "gateway-keys": "docs/gateway_keys.md",
  api: "docs/api.md",
} as const;

for (const [what, file] of Object.entries(FILES)) {
  const lines: string[] = [];
  const output = { out: (line: string) => void lines.push(line), err: () => {} };
  await runSchema(output, what as keyof typeof FILES);
  Deno.writeTextFileSync(new URL(`../${file}`, import.meta.url), lines.join("\n") + "\n");
}
