// What is tried in place of a command that a page names, where more than one page names it or it
// takes more than a line.
import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { IMAGE_VARIANTS } from "../../src/doctor/loader/image_variants.ts";
import { hasMosquitto } from "../support/mosquitto.ts";
import { readCompose } from "./image.ts";
import { Desk, ROOT, shell, succeeds, task, taskSucceeds } from "./desk.ts";

/** Where the tests know that a program can be compiled, they have one. */
export const COMPILES = Deno.env.has("EXTERNAL_SERVER_BINARY");
/** Whoever follows the pages has this on the PATH, or installs it with npx. */
export const NPX = "npx -y deno@2.9.6";

/** What is tried instead of reading on. */
export interface Trial {
  /** What it needs that is not here; then it is skipped by name. */
  readonly missing?: string | false;
  readonly run: (desk: Desk) => Promise<void>;
}

export const needsMosquitto = !hasMosquitto && Deno.env.get("REQUIRE_MOSQUITTO") !== "1" &&
  "Mosquitto";
/** The bundler of Deno 2.4 downloads a part of itself from where a mirror of npm is not asked. */
export const needsBundler = Deno.version.deno.startsWith("2.4.") && "bundler in this Deno";
export const needsCompiled = !COMPILES && "program that was compiled";

export const demo: Trial = { run: () => taskSucceeds("demo", "--seconds", "2") };

export const compiles: Trial = {
  missing: needsCompiled,
  async run({ folder }) {
    const output = folder.file("dist/external-server");
    await taskSucceeds("compile", "--output", output);
    assert.match(await shell(`"${output}" --version`), /^external-server /);
  },
};

/** It would run itself: that its steps are there is what can be said from inside. */
export const gate: Trial = {
  run() {
    const steps = config.tasks.ok.command.split(" && ");
    assert.deepEqual(steps, ["deno fmt --check", "deno lint", "deno task check", "deno task test"]);
    assert.ok(config.tasks.check && config.tasks.test);
    return Promise.resolve();
  },
};

/** Runs a few of the tests that the page names: all of them would take minutes. */
async function tested(...args: string[]): Promise<string> {
  await using process = task("test", ...args);
  assert.equal((await process.ended()).code, 0, process.text);
  return process.text;
}

export const testsPaths: Trial = {
  async run() {
    const text = await tested("time/backoff_test.ts", "tests/time/clock_test.ts");
    const files = new Set([...text.matchAll(/^\.\/(tests\/\S+) => /gm)].map(([, file]) => file));
    assert.deepEqual([...files].sort(), ["tests/time/backoff_test.ts", "tests/time/clock_test.ts"]);
    await using missing = task("test", "no_such_test.ts");
    assert.equal((await missing.ended()).code, 1);
    assert.match(
      missing.text,
      /Cannot find the test "no_such_test\.ts": neither in ".*" nor in its/,
    );
  },
};

export const covers: Trial = {
  async run({ folder }) {
    // Where this very test is covered, the usual folder is in use.
    const pages = folder.file("coverage");
    assert.match(
      await tested("time/backoff_test.ts", `--coverage=${pages}`),
      /^\| backoff\.ts +\|.* 100\.0 \|$/m,
    );
    assert.match(await Deno.readTextFile(`${pages}/html/index.html`), /backoff\.ts/);
  },
};

/** For engines that are not where tests run; image_test.ts carries out what they would read. */
export const container: Trial = {
  async run() {
    const { services } = await readCompose("docker-compose.yml");
    assert.deepEqual(Object.keys(services), ["mosquitto", "external-server"]);
  },
};

/** Of the way from the Python server's container, which migration_test.ts goes with these files. */
export function migrates(command: string): Trial {
  return {
    async run() {
      const { services } = await readCompose("examples/migration/docker-compose.yml");
      assert.deepEqual(Object.keys(services), ["external-server"]);
      const [, base] = /BASE_IMAGE=(\S+) -t external-server /.exec(command) ?? [];
      const bases = IMAGE_VARIANTS.map((variant) => variant.base);
      if (base !== undefined) assert.ok(bases.includes(base), base);
      else assert.match(command, /^docker compose /);
    },
  };
}

/** Installing is not for tests, but the machine that runs them all does, by these names. */
export const installs: Trial = {
  async run() {
    const script = await Deno.readTextFile(`${ROOT}.ci/run`);
    for (const name of ["mosquitto", "etcd-server", "nats-server", "chromium"]) {
      assert.match(script, new RegExp(`packages\\+=\\(${name}\\)`));
    }
  },
};

/** The example as it is, but for a port and a folder of this test's own. */
export async function copyOfExample(desk: Desk, port: number): Promise<string> {
  const example = JSON.parse(await Deno.readTextFile(`${ROOT}config/documented.json`));
  example.mqtt_port = port;
  example.logging.console.level = "DEBUG";
  example.logging.file.path = desk.folder.path;
  return await desk.folder.write("documented.json", JSON.stringify(example));
}

export function completes(name: string): Trial {
  return { run: async () => assert.match(await succeeds("completion", name), /external-server/) };
}

export const checks: Trial = {
  async run(desk) {
    assert.match(
      await succeeds("check", desk.config),
      /"company_name": "acme"[^]*\nok: 1 car, 1 module$/,
    );
    // Those that come along are good, too, where their modules and folders are.
    for (const name of ["documented", "external-communication", "single-car"]) {
      await succeeds("check", `config/${name}.json`);
    }
  },
};

export const doctors: Trial = {
  async run(desk) {
    await desk.serve();
    assert.match(await succeeds("doctor", desk.config, "--listen", "1"), /0 failed/);
  },
};

export const helps: Trial = {
  async run() {
    const names = ["start", "check", "doctor", "health", "completion", "schema", "replay", "demo"];
    for (const name of [...names, "simulate"]) {
      assert.match(await succeeds(name, "--help"), /Options:[^]*Examples:/, name);
    }
  },
};
