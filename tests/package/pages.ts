// What is tried for each command that a page of the documentation names.
import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { gatewayDocument } from "../e2e/gateway_process.ts";
import { program, ProgramProcess } from "../e2e/server_process.ts";
import { ScriptedGateway } from "../internal_client/scripted_gateway.ts";
import { Bridge } from "../support/bridge.ts";
import { Certificates } from "../support/certificates.ts";
import { freePort, Mosquitto } from "../support/mosquitto.ts";
import { needsPromtool, promtool } from "../support/promtool.ts";
import { Etcd, needsEtcd } from "../support/etcd.ts";
import { TempFolder } from "../support/temp.ts";
import { type Desk, ROOT, shell, succeeds, task, taskServes, taskSucceeds } from "./desk.ts";
import {
  checks,
  compiles,
  completes,
  container,
  copyOfExample,
  covers,
  demo,
  doctors,
  gate,
  helps,
  installs,
  migrates,
  needsBundler,
  needsCompiled,
  needsMosquitto,
  NPX,
  testsPaths,
  type Trial,
} from "./trials.ts";

/** What a page names, and what is tried. */
export type Trials = Readonly<Record<string, Trial>>;

const README: Trials = {
  [`${NPX} task demo --seconds 20`]: demo,
  [`${NPX} task ok`]: gate,
  [`${NPX} task test cli/program_test.ts tests/time`]: testsPaths,
  [`${NPX} task test time --coverage`]: covers,
  "apt-get install mosquitto etcd-server nats-server chromium": installs,
  [`${NPX} task start config.json`]: {
    missing: needsMosquitto,
    async run(desk) {
      const broker = desk.use(await Mosquitto.start());
      await desk.write(broker.port);
      await taskServes(desk.config);
    },
  },
  [`${NPX} task compile`]: compiles,
  "docker compose up": container,
  "make -C examples/module": { run: async () => void await shell("make -C examples/module") },
  [`${NPX} task start config/documented.json`]: {
    missing: needsMosquitto,
    async run(desk) {
      await using broker = await Mosquitto.start();
      await taskServes(await copyOfExample(desk, broker.port));
    },
  },
  [`${NPX} task simulate -c config/documented.json`]: {
    async run(desk) {
      const example = await copyOfExample(desk, desk.port);
      await using server = new ProgramProcess([example, "--broker"], { cwd: ROOT });
      await server.line(/Serving 2 cars of bringauto/);
      for (const car of ["car_1", "car_2"]) {
        await server.line(new RegExp(`\\(${car}\\)\\tState \\w+ is now CONNECTED`));
      }
      await using simulator = task("simulate", "-c", example, "--seconds", "5");
      assert.equal((await simulator.ended()).code, 0, simulator.text);
      assert.match(simulator.text, /cars that had one 2 of 2/);
    },
  },
  [`${NPX} task start check config.json`]: checks,
  [`${NPX} task start doctor config.json`]: doctors,
};

const CONFIGURATION: Trials = {
  "external-server check config.json": checks,
  "external-server check new.json --against config.json": {
    async run({ config, folder }) {
      const document = JSON.parse(await Deno.readTextFile(config));
      const other = await folder.write("new.json", JSON.stringify({ ...document, timeout: 7 }));
      assert.match(await succeeds("check", other, "--against", config), /^timeout 10 s -> 7 s/m);
    },
  },
  "external-server check new.json --against http://127.0.0.1:8080 --api-key-file FILE": {
    async run(desk) {
      const key = await desk.folder.write("key", "0123456789abcdef\n");
      const http = { port: desk.httpPort, api_key_file: key };
      const document = JSON.parse(await Deno.readTextFile(desk.config));
      await Deno.writeTextFile(desk.config, JSON.stringify({ ...document, http }));
      await desk.serveOperators();
      const url = `http://127.0.0.1:${desk.httpPort}`;
      const args = ["check", desk.config, "--broker", "--against", url, "--api-key-file", key];
      assert.match(await succeeds(...args), /A reload would change nothing/);
    },
  },
  "external-server doctor config.json": doctors,
  "check --show-config-values": {
    async run({ config }) {
      assert.match(await succeeds("check", config, "--show-config-values"), /^\{[^]*\n\}\nok: /);
    },
  },
};

const packages: Trial = { missing: needsBundler, run: () => taskSucceeds("package") };

const MODULES: Trials = {
  "deno task package": packages,
  "external-server doctor config.json": doctors,
  "external-server doctor config.json --init": {
    async run(desk) {
      await desk.serve();
      assert.match(
        await succeeds("doctor", desk.config, "--init", "--listen", "1"),
        /init .*0 failed/s,
      );
    },
  },
};

const DEVICES: Trials = {
  "deno task package": packages,
  "external-server device --module 1000 --type 0 --role button": {
    async run() {
      await using gateway = await ScriptedGateway.start();
      const device = ["--module", "1000", "--type", "0", "--role", "button"];
      const said = succeeds("device", ...device, "--port", `${gateway.port}`);
      await (await gateway.peer()).accept();
      assert.equal(await said, "");
    },
  },
};

/** A gateway that serves, and ends in order. */
async function gatewayServes(port: number, ...args: string[]): Promise<void> {
  await using folder = await TempFolder.make();
  const file = await folder.write(
    "gateway.json",
    JSON.stringify(await gatewayDocument(freePort())),
  );
  await using gateway = new ProgramProcess(["gateway", ...args, file, "--port", `${port}`]);
  await gateway.line(new RegExp(`Serving devices of 1 module on 0.0.0.0:${port}$`));
  assert.equal((await gateway.stop()).code, 0);
}

const GATEWAY: Trials = {
  "external-server gateway gateway.json": { run: () => gatewayServes(freePort()) },
  "external-server gateway -c gateway.json --port 1636": {
    run: () => gatewayServes(freePort(), "-c"),
  },
  "external-server check gateway.json": {
    async run() {
      await using folder = await TempFolder.make();
      const text = JSON.stringify(await gatewayDocument(freePort()));
      const said = await succeeds("check", await folder.write("gateway.json", text));
      assert.match(said, /"external-connection"[^]*ok: 1 endpoint, 1 module/);
    },
  },
  "external-server doctor gateway.json": {
    async run() {
      await using folder = await TempFolder.make();
      const text = JSON.stringify(await gatewayDocument(freePort()));
      const file = await folder.write("gateway.json", text);
      await using process = new ProgramProcess(["doctor", file]);
      assert.equal((await process.ended()).code, 1);
      assert.match(process.text, /module 1000: Can be loaded[^]*1 failed/);
    },
  },
  "external-server schema gateway": {
    async run() {
      const checkedIn = await Deno.readTextFile(`${ROOT}config/module-gateway.schema.json`);
      assert.deepEqual(JSON.parse(await succeeds("schema", "gateway")), JSON.parse(checkedIn));
    },
  },
  "external-server key new --device 1000/0/button": {
    async run() {
      const said = await succeeds("key", "new", "--device", "1000/0/button");
      assert.match(said, /esd_[\w-]{43}\n.*"1000\/0\/button": "sha256:[0-9a-f]{64}"/s);
    },
  },
};

/** Makes a key pair, and signs the configuration with it. */
async function signs({ folder, config }: Desk): Promise<{ key: string; signed: string }> {
  const file = folder.file("private.pem");
  const [, key = ""] = /"public_key": "([^"]+)"/.exec(await succeeds("config", "keygen", file)) ??
    [];
  assert.match(key, /^ed25519:/);
  const options = ["--key", file, "--version", "7", "--label", "canary"];
  return { key, signed: await succeeds("config", "sign", config, ...options) };
}

const keygen: Trial = { run: async (desk) => void await signs(desk) };

const verifies: Trial = {
  async run(desk) {
    const { key, signed } = await signs(desk);
    const file = await desk.folder.write("signed.json", signed);
    const said = await succeeds("config", "verify", file, "--public-key", key);
    assert.match(said, /^ok: signed, version 7 \(\w{12}\), labels canary$/);
  },
};

const showsSource: Trial = {
  async run(desk) {
    const { key, signed } = await signs(desk);
    const url = `file://${await desk.folder.write("signed.json", signed)}`;
    const section = { url, public_key: key, cache_dir: desk.folder.file("cache"), mode: "only" };
    await Deno.writeTextFile(desk.config, JSON.stringify({ config_source: section }));
    const said = await succeeds("config", "show-source", desk.config);
    assert.match(said, /it has +version 7 \(\w{12}\), usable: 1 car$/m);
  },
};

const OPERATION: Trials = {
  "config keygen FILE": keygen,
  "config sign FILE --key FILE --version N [--label LABEL]": keygen,
  "config verify FILE --public-key KEY": verifies,
  "config show-source FILE": showsSource,
  "external-server config keygen private.pem": keygen,
  "external-server config sign fleet.json --key private.pem --version 7 > signed.json": keygen,
  "external-server config verify signed.json --public-key ed25519:KEY": verifies,
  "external-server config show-source config.json": showsSource,
  "external-server start config.json --config-source off": {
    async run(desk) {
      const document = JSON.parse(await Deno.readTextFile(desk.config));
      const section = { url: "http://127.0.0.1:9", cache_dir: desk.folder.file("cache") };
      const local = { ...document, config_source: section };
      await Deno.writeTextFile(desk.config, JSON.stringify(local));
      await using server = new ProgramProcess(
        ["start", desk.config, "--config-source", "off", "--broker"],
      );
      await server.line(/car_1.*is now CONNECTED/);
      assert.equal((await server.stop()).code, 0, server.text);
    },
  },
  [`${NPX} task start`]: { run: (desk) => taskServes(desk.config, "--broker") },
  [`${NPX} task start config.json --broker`]: {
    run: (desk) => taskServes(desk.config, "--broker"),
  },
  [`${NPX} task start config.json --tls --ca ca.pem --cert me.pem --key me.key`]: {
    missing: needsMosquitto,
    async run(desk) {
      const { caFile, server, client } = desk.use(await Certificates.make());
      const tls = { caFile, ...server, clientCertificates: true };
      const broker = desk.use(await Mosquitto.start({ tls }));
      await desk.write(broker.port);
      const own = ["--cert", client.certFile, "--key", client.keyFile];
      await taskServes(desk.config, "--tls", "--ca", caFile, ...own);
    },
  },
  "deno task compile": compiles,
  "deno task release": {
    missing: needsCompiled,
    async run({ folder }) {
      const own = `${Deno.build.arch}-unknown-linux-gnu`;
      await taskSucceeds("release", "--target", own, "--output", folder.path);
      await shell("sha256sum --check SHA256SUMS", { cwd: folder.path });
    },
  },
  "start [config]": {
    async run(desk) {
      await using server = new ProgramProcess(["start", desk.config, "--broker"]);
      await server.line(/car_1.*is now CONNECTED/);
      assert.equal((await server.stop()).code, 0, server.text);
    },
  },
  "check [config]": checks,
  "check ... --against FILE or URL": {
    async run(desk) {
      await desk.serveOperators();
      const url = `http://127.0.0.1:${desk.httpPort}`;
      for (const target of [desk.config, url]) {
        const args = ["check", desk.config, "--broker", "--against", target];
        assert.match(await succeeds(...args), /Nothing|no difference|same/i);
      }
    },
  },
  "doctor [config]": doctors,
  "health [config] [--url URL]": {
    async run(desk) {
      await desk.serveOperators();
      const url = `http://127.0.0.1:${desk.httpPort}/healthz`;
      assert.match(await succeeds("health", desk.config), /^Healthy: /);
      assert.match(await succeeds("health", "--url", url), /^Healthy: /);
    },
  },
  "completion bash": completes("bash"),
  "completion zsh": completes("zsh"),
  "completion fish": completes("fish"),
  "source <(external-server completion bash)": {
    async run({ folder }) {
      const [command, args] = program();
      const words = [command, ...args].map((word) => `'${word}'`).join(" ");
      await folder.write("external-server", `#!/bin/sh\nexec ${words} "$@"\n`);
      await Deno.chmod(folder.file("external-server"), 0o755);
      const script = "source <(external-server completion bash); complete -p external-server";
      const PATH = `${folder.path}:${Deno.env.get("PATH")}`;
      const said = await shell(script, { env: { PATH, NO_COLOR: "1" } });
      assert.equal(said, "complete -F _external_server external-server\n");
    },
  },
  "schema": {
    async run() {
      const checkedIn = await Deno.readTextFile(`${ROOT}config/external-server.schema.json`);
      assert.deepEqual(JSON.parse(await succeeds("schema")), JSON.parse(checkedIn));
    },
  },
  "demo [--seconds N] [--cars N] [--native]": {
    async run() {
      assert.match(
        await succeeds("demo", "--seconds", "2", "--cars", "1", "--gateway", "1.3"),
        /^1 cars?, /m,
      );
    },
  },
  "simulate --cars N --rate R ...": {
    async run(desk) {
      await desk.serve();
      const args = ["--cars", "1", "--rate", "5", "--seconds", "5", "--json"];
      const said = await succeeds("simulate", "-c", desk.config, ...args);
      assert.ok(JSON.parse(said.slice(said.indexOf("{"))));
    },
  },
  "replay DIR [--car NAME] [--print]": {
    async run() {
      await using folder = await TempFolder.make();
      await succeeds("demo", "--cars", "1", "--seconds", "3", "--event-log", folder.path);
      const told = await succeeds("replay", folder.path, "--car", "car_1", "--print");
      assert.match(told, /0 cars differ/);
    },
  },
  "log DIR [--follow] [--car NAME] [--kind KIND] [--from TIME] [--to TIME] [--json]": {
    async run() {
      await using folder = await TempFolder.make();
      await succeeds("demo", "--cars", "1", "--seconds", "3", "--event-log", folder.path);
      const options = ["--car", "car_1", "--kind", "session", "--from", "1h", "--to", "0s"];
      assert.match(await succeeds("log", folder.path, ...options), /car_1 {2}session\.started/);
      const lines = (await succeeds("log", folder.path, "--json")).trim().split("\n");
      assert.ok(lines.map((line) => JSON.parse(line)).some(({ car }) => car === "car_1"));
    },
  },
  "--help": helps,
  "key new --name NAME --scope SCOPE": {
    async run() {
      const said = await succeeds("key", "new", "--name", "wall", "--scope", "read");
      assert.match(
        said,
        /es_[\w-]{43}\n.*"wall": \{"scope":"read","hash":"sha256:[0-9a-f]{64}"\}/s,
      );
    },
  },
  "external-server key new --name wall --scope read": {
    async run() {
      assert.match(await succeeds("key", "new", "--name", "wall", "--scope", "read"), /"wall"/);
    },
  },
  "systemctl reload external-server": {
    /** No systemd runs where tests do; what the unit has it do is tested with the signal itself. */
    async run() {
      const unit = await Deno.readTextFile(`${ROOT}config/external-server.service`);
      assert.match(unit, /^ExecReload=kill -HUP \$MAINPID$/m);
    },
  },
  "docker compose up": container,
};
/** Rows take minutes; one that does not exist shows that the options are understood, and the rows. */
async function benchTakes(...args: string[]): Promise<string> {
  await using process = task("bench", "--only", "no_such_row", ...args);
  assert.equal((await process.ended()).code, 1);
  assert.match(process.text, /Cannot run row "no_such_row/);
  return process.text;
}

const BENCH: Trials = {
  "deno task bench": { run: async () => void await benchTakes() },
  "deno task bench --only throughput": {
    run: async () => assert.match(await benchTakes(), /there are .*\bthroughput\b/),
  },
  "deno task bench --only hostile": {
    run: async () => assert.match(await benchTakes(), /there are .*\bhostile/),
  },
  "deno task bench --only isolation": {
    run: async () => assert.match(await benchTakes(), /there are .*\bisolation/),
  },
  "deno task bench --all --json FILE": {
    run: async ({ folder }) => void await benchTakes("--all", "--json", folder.file("figures")),
  },
  "EXTERNAL_SERVER_BINARY=dist/external-server deno task bench": { run: () => readsBinary() },
  "deno task outage [--minutes N]": {
    /** At least a minute, and as much to catch up. */
    async run() {
      assert.match(config.tasks.outage.command, /bench\/soak\/outage\.ts$/);
      assert.match(
        await Deno.readTextFile(`${ROOT}bench/soak/outage.ts`),
        /options: \{\s+minutes: /,
      );
    },
  },
  "deno task soak [--minutes N]": {
    /** At least four minutes: what it understands can be read. */
    async run() {
      assert.match(config.tasks.soak.command, /bench\/soak\/main\.ts$/);
      assert.match(await Deno.readTextFile(`${ROOT}bench/soak/main.ts`), /options: \{\s+minutes: /);
    },
  },
  "deno task soak --record [--rate N]": {
    /** As long as the other. */
    async run() {
      const text = await Deno.readTextFile(`${ROOT}bench/soak/main.ts`);
      assert.match(text, /options: \{[^}]+\},\s+rate: \{[^}]+\},\s+record: \{ type: "boolean"/);
    },
  },
  "deno task soak --cluster [--minutes N]": {
    /** It begins no cluster when its time is over. */
    async run() {
      await using process = task("soak", "--cluster", "--minutes", "0");
      assert.equal((await process.ended()).code, 0);
      assert.match(process.text, /0 events, and no gateway has noticed any/);
    },
  },
};

/** The bench starts what these tests start. */
function readsBinary(): Promise<void> {
  assert.equal(program()[0], Deno.env.get("EXTERNAL_SERVER_BINARY") ?? Deno.execPath());
  return Promise.resolve();
}

/** What it writes is compared where it is made. */
const WRITTEN: Trials = {
  "deno task schema": {
    run: () => Promise.resolve(assert.match(config.tasks.schema.command, / \.ci\/schema\.ts$/)),
  },
};

const EXAMPLE: Trials = {
  "make": {
    async run({ folder }) {
      const copy = folder.file("module");
      await shell(`cp -r examples/module "${copy}" && rm -rf "${copy}/build" && make -C "${copy}"`);
      for (const name of ["example_module", "gateway_module"]) {
        assert.ok((await Deno.stat(`${copy}/build/${name}.so`)).size > 0);
      }
    },
  },
};

const BRIDGE: Trials = {
  ...Object.fromEntries(
    ["cloud", "local"].map((name) => [`mosquitto -c examples/bridge/${name}.conf`, {
      missing: needsMosquitto,
      async run() {
        await using bridge = await Bridge.start();
        assert.ok(bridge.local.pid !== undefined && bridge.cloud.pid !== undefined);
      },
    }]),
  ),
  "deno task start examples/bridge/server.json": {
    missing: needsMosquitto,
    async run(desk) {
      await using bridge = await Bridge.start();
      await taskServes(await bridge.serverConfig(desk.folder));
    },
  },
};

const OBSERVABILITY: Trials = Object.fromEntries(
  ["check rules alerts.yml", "test rules alerts_test.yml"].map((args) => [`promtool ${args}`, {
    missing: needsPromtool,
    async run() {
      const said = await promtool(args.split(" "), `${ROOT}examples/observability`);
      assert.match(said, /SUCCESS/);
    },
  }]),
);

const MIGRATION: Trials = {
  "--help": helps,
  ...Object.fromEntries(
    [
      "docker build --build-arg BASE_IMAGE=gcr.io/distroless/cc-debian13:nonroot -t external-server .",
      "docker compose run --rm external-server doctor config/external-server.json",
      "docker compose -f docker-compose.python.yml down && docker compose up -d",
      "docker compose down && docker compose -f docker-compose.python.yml up -d",
    ].map((command) => [command, migrates(command)]),
  ),
};

/** Tries a command at the only member of a cluster. */
function member(run: (url: string) => Promise<void>): Trial {
  return {
    missing: needsMosquitto || needsEtcd,
    async run(desk) {
      const [broker, etcd] = [desk.use(await Mosquitto.start()), desk.use(await Etcd.start())];
      await desk.write(broker.port);
      const cluster = { etcd: [etcd.url], instance: "a" };
      const document = JSON.parse(await Deno.readTextFile(desk.config));
      await Deno.writeTextFile(desk.config, JSON.stringify({ ...document, cluster }));
      const server = desk.use(new ProgramProcess([desk.config]));
      await server.line(/Listening for operators/);
      await server.line(/Served here, epoch/);
      await run(`http://127.0.0.1:${desk.httpPort}`);
      assert.equal((await server.stop()).code, 0, server.text);
    },
  };
}

const CLUSTER: Trials = {
  "external-server upgrade-check http://127.0.0.1:8080 --api-key-file FILE": member(async (url) => {
    assert.match(await succeeds("upgrade-check", url), /^May join: version/m);
  }),
  "external-server drain http://127.0.0.1:8080 --api-key-file FILE": member(async (url) => {
    await using drain = new ProgramProcess(["drain", url, "--seconds", "0"], { cwd: ROOT });
    assert.equal((await drain.ended()).code, 1);
    assert.match(drain.text, /^Not drained: 1 cars were not taken within 0 s$/m);
  }),
};

/** What is tried for each page that names commands. */
export const PAGES: Readonly<Record<string, Trials>> = {
  "README.md": README,
  "docs/api.md": WRITTEN,
  "docs/benchmark.md": BENCH,
  "docs/cluster.md": CLUSTER,
  "docs/configuration.md": CONFIGURATION,
  "docs/configuration_keys.md": WRITTEN,
  "docs/devices.md": DEVICES,
  "docs/gateway.md": GATEWAY,
  "docs/gateway_keys.md": WRITTEN,
  "docs/migration.md": MIGRATION,
  "docs/modules.md": MODULES,
  "docs/operation.md": OPERATION,
  "examples/bridge/README.md": BRIDGE,
  "examples/module/README.md": EXAMPLE,
  "examples/observability/README.md": OBSERVABILITY,
};
