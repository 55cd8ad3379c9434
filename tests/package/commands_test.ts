// Every command that a page names, run as it stands there. One that is not known here fails the last
// test of its page, so that no page tells its readers to type an untested command.
import assert from "node:assert/strict";
import { commandsIn } from "./commands.ts";
import { Desk, ROOT } from "./desk.ts";
import { PAGES, type Trials } from "./pages.ts";
import { NPX } from "./trials.ts";

/** Those that name none as well. */
const ALL: Readonly<Record<string, Trials>> = {
  ...Object.fromEntries(pagesOfDocs().map((page) => [page, {}])),
  ...PAGES,
};

function pagesOfDocs(): string[] {
  return [...Deno.readDirSync(`${ROOT}docs`)].filter(({ name }) => name.endsWith(".md"))
    .map(({ name }) => `docs/${name}`).sort();
}

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

Deno.test("the Deno that the pages install is the one that everything is built with", async () => {
  for (const file of [".ci/run", "Dockerfile", "README.md", "docs/operation.md"]) {
    const text = await Deno.readTextFile(ROOT + file);
    const versions = new Set([...text.matchAll(/deno@(\d[\d.]*)/g)].map(([, version]) => version));
    assert.deepEqual([...versions], [NPX.split("@")[1]], file);
  }
});

Deno.test("README.md is one screen or three, and has its picture", async () => {
  const lines = (await Deno.readTextFile(`${ROOT}README.md`)).split("\n");
  assert.ok(lines.length <= 130, `${lines.length} lines`);
  assert.ok((await Deno.stat(`${ROOT}docs/page.png`)).size < 300_000);
});

Deno.test("pages link to what is there", async () => {
  const missing: string[] = [];
  for (const page of Object.keys(ALL)) {
    const text = await Deno.readTextFile(ROOT + page);
    for (const [, target = ""] of text.matchAll(/\]\(([^)#]*)(?:#[\w-]*)?\)/g)) {
      if (/^https?:/.test(target) || target === "") continue;
      const file = new URL(target, new URL(page, new URL(`file://${ROOT}`)));
      await Deno.stat(file).catch(() => missing.push(`${page}: ${target}`));
    }
  }
  assert.deepEqual(missing, []);
});

Deno.test("migration.md says of everything the other server has what became of it", async () => {
  const moving = await Deno.readTextFile(`${ROOT}docs/migration.md`);
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
