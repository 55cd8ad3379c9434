// Writes docs/configuration_keys.md: every key with its type, its default, and what a change
// affects.
import * as z from "zod";
import { type Key, type KeyFacts, keysOf } from "./key.ts";
import { COMMON, EXTERNAL_BROKER, FLAT_BROKER, FLEET, MODULE, SINGLE_CAR } from "./keys.ts";

const CHAPTERS: readonly (readonly [title: string, keys: object, prefix: string])[] = [
  ["Every configuration", COMMON, ""],
  ["Broker, at the top level", FLAT_BROKER, ""],
  ["Broker, in a section of its own", EXTERNAL_BROKER, "external_communication."],
  ["Cars", FLEET, ""],
  ["A single car", SINGLE_CAR, ""],
  ["A module: an entry of `common_modules`, `specific_modules` or `modules`", MODULE, ""],
];

const TAKES: Readonly<Record<KeyFacts<never>["takes"], string>> = {
  nothing: "nothing",
  at_once: "takes effect at once",
  new_hosts: "new module hosts",
  new_connections: "new broker connections",
  reconnect: "every car reconnects",
  contexts: "the cars concerned",
  restart: "needs a restart",
};

/** The document as text. */
export function keyTable(): string {
  const chapters = CHAPTERS.map(([title, keys, prefix]) => {
    const rows = keysOf(keys, prefix).map(({ path, key }) => row(path, key));
    return [`## ${title}`, "", HEAD, RULE, ...rows, ""].join("\n");
  });
  return [INTRODUCTION, ...chapters].join("\n");
}

const INTRODUCTION = `# Configuration keys

Written by \`deno task schema\` from the table in \`src/config/keys/keys.ts\`. [configuration.md](configuration.md)
explains how they work together.
`;
const HEAD = "| key | type | default | a reload | meaning |";
const RULE = "| --- | --- | --- | --- | --- |";

function row(path: string, { schema, doc, takes, unit, secret }: Key): string {
  const { type, initial } = describe(schema);
  const kind = [type, ...(unit === undefined ? [] : [unit]), ...(secret ? ["secret"] : [])];
  const cells = [`\`${path}\``, kind.join(", "), initial, TAKES[takes], doc];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function describe(schema: z.ZodType): { type: string; initial: string } {
  const { type = "object", default: initial, enum: words } = z.toJSONSchema(schema, {
    io: "input",
  });
  const name = words === undefined ? type : words.join(" or ");
  return {
    type: String(name),
    initial: initial === undefined ? "" : `\`${JSON.stringify(initial)}\``,
  };
}
