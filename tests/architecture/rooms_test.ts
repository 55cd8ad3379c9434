// The rooms of src/: an import points down, and enters a room through its door.
import assert from "node:assert/strict";
import { dirname, join, normalize, relative } from "node:path";

const SRC = new URL("../../src/", import.meta.url).pathname;

/** From the top down (docs/architecture.md): a room imports from those behind it only. */
const ROOMS = [
  "cli",
  "app/demo",
  "app/gateway",
  "app",
  "app/systemd",
  "doctor",
  "doctor/loader",
  "http",
  "simulator",
  "telemetry",
  "webhook",
  "export",
  "observe",
  "ledger",
  "record",
  "cluster",
  "server",
  "module_gateway",
  "gateway",
  "internal_server",
  "internal_client",
  "module_handler",
  "car",
  "session",
  "module",
  "fleet_module",
  "broker",
  "transport",
  "config_source",
  "config",
  "encoding",
  "protocol/codec",
  "protocol",
  "net",
  "state",
  "log",
  "channel",
  "script",
  "text",
  "time",
] as const;

/** What stands beside the rooms: every room may know the version. */
const ROOMLESS = ["main.ts", "version.ts"];

interface Import {
  readonly file: string;
  readonly target: string;
}

/**
 * Two rooms are within others, so that these are loaded without them: module hosts know the words of the
 * protocol, and no protobuf; a server has no demo.
 */
function roomOf(file: string): string {
  const inner = ROOMS.find((room) => room.includes("/") && file.startsWith(`${room}/`));
  return inner ?? file.split("/")[0] ?? "";
}

function* sourceFiles(folder = SRC): Generator<string> {
  for (const entry of Deno.readDirSync(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) yield* sourceFiles(path);
    else if (entry.name.endsWith(".ts")) yield relative(SRC, path);
  }
}

/** Every import of another file of src/, static or not. */
function* imports(): Generator<Import> {
  for (const file of sourceFiles()) {
    const text = Deno.readTextFileSync(join(SRC, file));
    for (const [, specifier = ""] of text.matchAll(/(?:from|import\()\s*"(\.{1,2}\/[^"]+)"/g)) {
      const target = relative(SRC, normalize(join(SRC, dirname(file), specifier)));
      if (!target.startsWith("..")) yield { file, target };
    }
  }
}

/** What a file imports when it is loaded: no types, and nothing that is imported later. */
function loadedBy(file: string): string[] {
  const text = Deno.readTextFileSync(join(SRC, file));
  const statements = text.matchAll(/^(?:import|export)\s+(?!type\b)([^;"]*?)\s*from\s+"([^"]+)"/gm);
  return [...statements].flatMap(([, names = "", specifier = ""]) => {
    const isTypesOnly = names.replace(/[{}]/g, "").split(",").map((name) => name.trim())
      .every((name) => name === "" || name.startsWith("type "));
    if (isTypesOnly) return [];
    return specifier.startsWith(".")
      ? [relative(SRC, normalize(join(SRC, dirname(file), specifier)))]
      : [specifier];
  });
}

function crossing(): Import[] {
  return [...imports()].filter(({ file, target }) =>
    roomOf(file) !== roomOf(target) && !ROOMLESS.includes(file) && !ROOMLESS.includes(target)
  );
}

Deno.test("every folder of src is a room that has its place among the others, and a door", () => {
  const rooms = new Set([...sourceFiles()].map(roomOf));
  for (const file of ROOMLESS) rooms.delete(file);
  assert.deepEqual([...rooms].filter((room) => !(ROOMS as readonly string[]).includes(room)), []);
  for (const room of rooms) {
    // What only the entry imports needs no door.
    if (room === "cli") continue;
    assert.ok(Deno.statSync(join(SRC, room, "mod.ts")).isFile, room);
  }
});

Deno.test("rooms import only from rooms below them", () => {
  const rank = (file: string) => (ROOMS as readonly string[]).indexOf(roomOf(file));
  const up = crossing().filter(({ file, target }) => rank(target) <= rank(file));
  assert.deepEqual(up, []);
});

Deno.test("rooms are entered through their doors", () => {
  const around = crossing().filter(({ target }) => target !== join(roomOf(target), "mod.ts"));
  assert.deepEqual(around, []);
});

/** The rooms and packages that are loaded with some files. */
function loadedWith(...files: readonly string[]): Set<string> {
  const loaded = new Set(files);
  for (const file of loaded) {
    if (file.endsWith(".ts")) { for (const target of loadedBy(file)) loaded.add(target); }
  }
  return new Set([...loaded].map((name) => name.endsWith(".ts") ? roomOf(name) : name));
}

Deno.test("start loads nothing that only other commands or keys need: it would stay in memory", () => {
  const rooms = loadedWith("cli/program.ts", "cli/start.ts", "cli/serve.ts");
  assert.ok(rooms.has("server") && rooms.has("mqtt"));
  const others = [
    "app/demo",
    "broker",
    "cluster",
    "channel",
    "config_source",
    "doctor",
    "export",
    "gateway",
    "http",
    "ledger",
    "observe",
    "record",
    "simulator",
    "state",
    "telemetry",
    "webhook",
  ];
  const packages = /^(aedes|hono|@logtape|@nats-io|prom-client|.*opentelemetry.*)/;
  const needless = [...rooms].filter((name) => others.includes(name) || packages.test(name));
  assert.deepEqual(needless, []);
});

Deno.test("exports load a library of a receiver only with a sink of its kind", () => {
  const receivers = (file: string) =>
    [...loadedWith(file)].filter((name) => /^(mqtt|@nats-io\/.*)$/.test(name)).sort();
  assert.deepEqual(receivers("export/mod.ts"), []);
  assert.deepEqual(receivers("export/mqtt_sink.ts"), ["mqtt"]);
  assert.deepEqual(receivers("export/nats_sink.ts"), [
    "@nats-io/jetstream",
    "@nats-io/transport-node",
    "@nats-io/transport-node/node_transport",
  ]);
});

Deno.test("health loads little: containers run it every few seconds", () => {
  const rooms = loadedWith("cli/program.ts", "cli/health.ts");
  const builtIn = [...rooms].filter((name) => name.startsWith("node:"));
  const allowed = [
    "cli",
    "version.ts",
    "../deno.json",
    "net",
    "text",
    "time",
    "commander",
    ...builtIn,
  ];
  assert.deepEqual(rooms.difference(new Set(allowed)), new Set());
});
