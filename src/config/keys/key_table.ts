// Writes docs/configuration_keys.md: every key with its type, its default, and what a change
// affects.
import * as z from "zod";
import { ENDPOINT, GATEWAY } from "./gateway_keys.ts";
import { type Key, type KeyFacts, keysOf } from "./key.ts";
import { EXTERNAL_BROKER, FLAT_BROKER } from "./broker_keys.ts";
import { FLEET, MODULE, SINGLE_CAR } from "./fleet_keys.ts";
import { COMMON } from "./keys.ts";

type Chapter = readonly [title: string, keys: object, prefix: string];

const CHAPTERS: readonly Chapter[] = [
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

const GATEWAY_CHAPTERS: readonly Chapter[] = [
  ["All sections", GATEWAY, ""],
  ["An endpoint: an entry of `external-connection.endpoints`", ENDPOINT, ""],
];

/** The document as text. */
export function keyTable(): string {
  return pageOf(INTRODUCTION, CHAPTERS, TAKES);
}

/** docs/gateway_keys.md as text: the same for a Module Gateway. */
export function gatewayKeyTable(): string {
  return pageOf(GATEWAY_INTRODUCTION, GATEWAY_CHAPTERS, {
    ...TAKES,
    new_hosts: "the modules concerned",
    new_connections: "new connections of devices",
    reconnect: "devices and sessions connect again",
  });
}

function pageOf(introduction: string, all: readonly Chapter[], takes: typeof TAKES): string {
  const chapters = all.map(([title, keys, prefix]) => {
    const rows = keysOf(keys, prefix).map(({ path, key }) => row(path, key, takes));
    return [`## ${title}`, "", HEAD, RULE, ...rows, ""].join("\n");
  });
  return [introduction, ...chapters].join("\n");
}

const INTRODUCTION = `# Configuration keys

Written by \`deno task schema\` from the tables in \`src/config/keys/\`. [configuration.md](configuration.md)
explains how they work together.
`;
const GATEWAY_INTRODUCTION = `# Configuration keys of a Module Gateway

Written by \`deno task schema\` from the table in \`src/config/keys/gateway_keys.ts\`. Additions are keys
that the reference gateway does not have. [gateway.md](gateway.md) explains how they work together.
`;
const HEAD = "| key | type | default | a reload | meaning |";
const RULE = "| --- | --- | --- | --- | --- |";

function row(
  path: string,
  { schema, doc, takes, unit, secret }: Key,
  takesTexts: typeof TAKES,
): string {
  const { type, initial } = describe(schema);
  const kind = [type, ...(unit === undefined ? [] : [unit]), ...(secret ? ["secret"] : [])];
  const cells = [`\`${path}\``, kind.join(", "), initial, takesTexts[takes], doc];
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
