// Every command that a README names, run as it stands there. One that is not known here fails the
// last test, so that no README can tell its readers to type what nobody has tried.
import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { program, ProgramProcess } from "../e2e/server_process.ts";
import { Certificates } from "../support/certificates.ts";
import { hasMosquitto, Mosquitto } from "../support/mosquitto.ts";
import { Desk, ROOT, shell, succeeds, task, taskServes, taskSucceeds } from "./desk.ts";
import { commandsIn } from "./readme.ts";

/** Where the tests know that a program can be compiled, they have one. */
const COMPILES = Deno.env.has("EXTERNAL_SERVER_BINARY");
/** Whoever follows the README has this on the PATH, or installs it with npx. */
const NPX = "npx -y deno@2.9.6";

/** What is tried instead of reading on. */
interface Trial {
  /** What it needs that is not here; then it is skipped by name. */
  readonly missing?: string | false;
  readonly run: (desk: Desk) => Promise<void>;
}

const needsMosquitto = !hasMosquitto && Deno.env.get("REQUIRE_MOSQUITTO") !== "1" && "Mosquitto";
const needsCompiled = !COMPILES && "program that was compiled";

const demo: Trial = { run: () => taskSucceeds("demo", "--seconds", "2") };

const compiles: Trial = {
  missing: needsCompiled,
  async run({ folder }) {
    const output = folder.file("dist/external-server");
    await taskSucceeds("compile", "--output", output);
    assert.match(await shell(`"${output}" --version`), /^external-server /);
  },
};

/** It would run itself: that its steps are there is what can be said from inside. */
const gate: Trial = {
  run() {
    const steps = config.tasks.ok.command.split(" && ");
    assert.deepEqual(steps, ["deno fmt --check", "deno lint", "deno task check", "deno task test"]);
    assert.ok(config.tasks.check && config.tasks.test);
    return Promise.resolve();
  },
};

/** For engines that are not where tests run; what they would read is checked elsewhere. */
const container: Trial = {
  async run() {
    const compose = await Deno.readTextFile(`${ROOT}docker-compose.yml`);
    assert.match(compose, /^networks:\n {2}fleet:\n {4}name: fleet\n {4}external: true$/m);
    assert.match(compose, /^ {4}build: \.$/m);
  },
};

/** Installing is not for tests, but the machine that runs them all does, by these names. */
const installs: Trial = {
  async run() {
    const script = await Deno.readTextFile(`${ROOT}.ci/run`);
    for (const name of ["mosquitto", "chromium"]) {
      assert.match(script, new RegExp(`packages\\+=\\(${name}\\)`));
    }
  },
};

/** The example as it is, but for a port and a folder of this test's own. */
async function copyOfExample(desk: Desk, port: number): Promise<string> {
  const example = JSON.parse(await Deno.readTextFile(`${ROOT}config/documented.json`));
  example.mqtt_port = port;
  example.logging.console.level = "DEBUG";
  example.logging.file.path = desk.folder.path;
  return await desk.folder.write("documented.json", JSON.stringify(example));
}

function completes(name: string): Trial {
  return { run: async () => assert.match(await succeeds("completion", name), /external-server/) };
}

const README: Readonly<Record<string, Trial>> = {
  [`${NPX} task demo --seconds 20`]: demo,
  [`${NPX} task ok`]: gate,
  [`${NPX} task start config.json`]: {
    missing: needsMosquitto,
    async run(desk) {
      const broker = desk.use(await Mosquitto.start());
      await desk.write(broker.port);
      await taskServes(desk.config);
    },
  },
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
  [`${NPX} task compile`]: compiles,
  "deno task compile": compiles,
  "deno task release": {
    missing: needsCompiled,
    async run({ folder }) {
      const own = `${Deno.build.arch}-unknown-linux-gnu`;
      await taskSucceeds("release", "--target", own, "--output", folder.path);
      await shell("sha256sum --check SHA256SUMS", { cwd: folder.path });
    },
  },
  "deno task bench": { run: async () => void await benchTakes() },
  "start [config]": {
    async run(desk) {
      await using server = new ProgramProcess(["start", desk.config, "--broker"]);
      await server.line(/car_1.*is now CONNECTED/);
      assert.equal((await server.stop()).code, 0, server.text);
    },
  },
  "check [config]": {
    async run(desk) {
      assert.equal(JSON.parse(await succeeds("check", desk.config)).company_name, "acme");
      // Those that come along are good, too, where their modules and folders are.
      for (const name of ["documented", "external-communication", "single-car"]) {
        await succeeds("check", `config/${name}.json`);
      }
    },
  },
  "check ... --against FILE or URL": {
    async run(desk) {
      const server = await desk.serve();
      await server.line(/operators/i);
      const url = `http://127.0.0.1:${desk.httpPort}`;
      for (const target of [desk.config, url]) {
        const args = ["check", desk.config, "--broker", "--against", target];
        assert.match(await succeeds(...args), /Nothing|no difference|same/i);
      }
    },
  },
  "doctor [config]": {
    async run(desk) {
      await desk.serve();
      assert.match(await succeeds("doctor", desk.config), /0 failed/);
    },
  },
  "health [config] [--url URL]": {
    async run(desk) {
      const server = await desk.serve();
      await server.line(/operators/i);
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
  "demo [--seconds N] [--cars N]": {
    async run() {
      assert.match(await succeeds("demo", "--seconds", "2", "--cars", "1"), /^1 cars?, /m);
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
  "--help": {
    async run() {
      const names = ["start", "check", "doctor", "health", "completion", "schema", "demo"];
      for (const name of [...names, "simulate"]) {
        assert.match(await succeeds(name, "--help"), /Options:[^]*Examples:/, name);
      }
    },
  },
  "apt-get install mosquitto chromium": installs,
  "systemctl reload external-server": {
    /** No systemd runs where tests do; what the unit has it do is tested with the signal itself. */
    async run() {
      const unit = await Deno.readTextFile(`${ROOT}config/external-server.service`);
      assert.match(unit, /^ExecReload=kill -HUP \$MAINPID$/m);
    },
  },
  "docker network create fleet && docker compose up --build": container,
};

/** Rows take minutes; one that does not exist shows that the options are understood, and the rows. */
async function benchTakes(...args: string[]): Promise<string> {
  await using process = task("bench", "--only", "no_such_row", ...args);
  assert.equal((await process.ended()).code, 1);
  assert.match(process.text, /Cannot run row "no_such_row/);
  return process.text;
}

const BENCH: Readonly<Record<string, Trial>> = {
  "deno task bench": README["deno task bench"] as Trial,
  "deno task bench --only throughput": {
    run: async () => assert.match(await benchTakes(), /there are .*\bthroughput\b/),
  },
  "deno task bench --only isolation": {
    run: async () => assert.match(await benchTakes(), /there are .*\bisolation/),
  },
  "deno task bench --all --json FILE": {
    run: async ({ folder }) => void await benchTakes("--all", "--json", folder.file("figures")),
  },
  "EXTERNAL_SERVER_BINARY=dist/external-server deno task bench": { run: () => readsBinary() },
  "deno task soak [--minutes N]": {
    /** At least four minutes: what it understands can be read. */
    async run() {
      assert.match(config.tasks.soak.command, /bench\/soak\/main\.ts$/);
      assert.match(await Deno.readTextFile(`${ROOT}bench/soak/main.ts`), /options: \{ minutes: /);
    },
  },
};

/** The bench starts what these tests start. */
function readsBinary(): Promise<void> {
  assert.equal(program()[0], Deno.env.get("EXTERNAL_SERVER_BINARY") ?? Deno.execPath());
  return Promise.resolve();
}

const EXAMPLE: Readonly<Record<string, Trial>> = {
  "make": {
    async run({ folder }) {
      const copy = folder.file("module");
      await shell(`cp -r examples/module "${copy}" && rm -rf "${copy}/build" && make -C "${copy}"`);
      assert.ok((await Deno.stat(`${copy}/build/example_module.so`)).size > 0);
    },
  },
};

const ALL = {
  "README.md": README,
  "bench/README.md": BENCH,
  "examples/module/README.md": EXAMPLE,
} as const;

for (const [file, trials] of Object.entries(ALL)) {
  for (const [command, { missing, run }] of Object.entries(trials)) {
    const why = missing ? ` [skipped: no ${missing}]` : "";
    Deno.test({
      name: `${file}: ${command}${why}`,
      ignore: Boolean(missing),
      async fn() {
        await using desk = await Desk.make();
        await run(desk);
      },
    });
  }

  Deno.test(`${file} names no command that is not run here, and all that are`, async () => {
    const named = commandsIn(await Deno.readTextFile(ROOT + file));
    assert.deepEqual(named.sort(), Object.keys(trials).sort());
  });
}

Deno.test("the Deno that the README installs is the one that everything is built with", async () => {
  for (const file of [".ci/run", "Dockerfile", "README.md"]) {
    const text = await Deno.readTextFile(ROOT + file);
    const versions = new Set([...text.matchAll(/deno@(\d[\d.]*)/g)].map(([, version]) => version));
    assert.deepEqual([...versions], [NPX.split("@")[1]], file);
  }
});

Deno.test("the README says of everything the other server has what became of it (sections 5 to 7)", async () => {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const start = readme.indexOf("## Moving from the Python server");
  const moving = readme.slice(start, readme.indexOf("\n## ", start));
  const documented = "company_name mqtt_address mqtt_port mqtt_timeout timeout " +
    "send_invalid_command sleep_duration_after_connection_refused logging.console logging.file " +
    "level use path common_modules lib_path config timeout_ms cars specific_modules";
  const newest = "external_communication protocol server_address server_port timeout_ms " +
    "ca_certs_file cert_file key_file";
  const singleCar =
    "car_name log_files_directory log_files_to_keep log_file_max_size_bytes modules";
  const flags = "<config> -c --config --tls --ca --cert --key --help --version";
  const topics = ["module_gateway", "external_server", "external_server_disconnect"]
    .map((name) => `<company>/<car>/${name}`).join(" ");
  for (const name of [documented, newest, singleCar, flags, topics].join(" ").split(" ")) {
    const row = moving.split("\n").find((line) => line.split("|")[1]?.includes(`\`${name}\``));
    assert.match(row ?? "", /^\|[^|]+\| (same|better|different) +\|/, name);
  }
});
