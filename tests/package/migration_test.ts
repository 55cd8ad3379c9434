// The move of docs/migration.md: the folders of the Python server's container, the compose file in
// place of its own, and the way back.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  compareVersions,
  IMAGE_VARIANTS,
  type ImageVariant,
} from "../../src/doctor/loader/image_variants.ts";
import { Gateway } from "../../src/simulator/gateway.ts";
import { COMPANY, configDocument, ProgramProcess } from "../e2e/server_process.ts";
import { hasMosquitto, Mosquitto } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { ROOT } from "./desk.ts";
import { readCompose } from "./image.ts";
import { NONROOT, reasonNotToEnter, RootFs, run } from "./root_fs.ts";

const REASON = reasonNotToEnter() ?? (hasMosquitto ? undefined : "no Mosquitto");
const COMPOSE = "examples/migration/docker-compose.yml";
const HOME = "/home/bringauto";
/** Whom their container's files belong to. */
const USER = 5000;
const THEIR_LINE =
  "[2026-11-19 08:00:00.000] [external-server] [INFO]\t [server.py:42]\t(server)\tStarted\n";
const PYTHON_LINE =
  /^\[[\d-]{10} [\d:.]{12}\] \[external-server\] \[[A-Z]+\]\t \[[^\]:]+:\d+\]\t\([^)]+\)\t.+$/;

/** What stands beside their compose file; their container has run for a while. */
async function theirFolder(port: number, runtime: RootFs): Promise<TempFolder> {
  const folder = await TempFolder.make();
  for (const name of ["config", "log", "modules"]) await Deno.mkdir(folder.file(name));
  const lib_path = `${HOME}/modules/libcpp_module.so`;
  const logging = {
    console: { level: "INFO", use: true },
    file: { level: "INFO", use: true, path: `${HOME}/log` },
  };
  const cars = { car_a: { "1000": { lib_path, timeout_ms: 200 } } };
  const document = configDocument({ port, cars, more: { logging } });
  await folder.write("config/config.json", JSON.stringify(document));
  await folder.write("log/external_server.log", THEIR_LINE);
  await buildModule(folder.file("modules/libcpp_module.so"), runtime);
  await run("chown", ["-R", `${USER}:${USER}`, folder.path], "/");
  await run("chmod", ["-R", "u+rw,go-w,a+rX", folder.path], "/");
  return folder;
}

/** As GCC 14 builds it: against the C and C++ runtime of this root file system. */
async function buildModule(output: string, runtime: RootFs): Promise<void> {
  const [module, needs] = ["cpp_module.cpp", "new_runtime.cpp"].map((name) =>
    fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
  );
  const libraries = ["libstdc++.so.6", "libc.so.6"].map((name) =>
    runtime.path(`usr/lib/${Deno.build.arch}-linux-gnu/${name}`)
  );
  const flags = ["-std=c++17", "-O1", "-fPIC", "-shared", "-pthread", "-nodefaultlibs"];
  await run(
    "c++",
    [...flags, "-o", output, module ?? "", needs ?? "", ...libraries, "-lgcc_s"],
    "/",
  );
}

/** The steps of the page before the start: a copy of the configuration, with their log's fields. */
async function adoptConfig(folder: TempFolder): Promise<void> {
  const document = JSON.parse(await Deno.readTextFile(folder.file("config/config.json")));
  for (const sink of ["console", "file"]) document.logging[sink].format = "python";
  await folder.write("config/external-server.json", JSON.stringify(document));
}

/** How our compose file runs a command over that folder. */
async function containerOf(folder: TempFolder, root: RootFs) {
  const { services: { "external-server": service } } = await readCompose(COMPOSE);
  assert.ok(service?.read_only);
  assert.equal(service.user, `${USER}:${USER}`);
  const writable = ["tmp"];
  for (const volume of service.volumes ?? []) {
    const [from = "", to = "", mode] = volume.split(":");
    const name = to.slice(1);
    await Deno.mkdir(root.path(name), { recursive: true });
    if (mode === "ro") {
      await run("cp", ["-a", `${folder.file(from)}/.`, root.path(name)], "/");
    } else {
      await Deno.mkdir(join(root.writable(name), ".."), { recursive: true });
      // Bound from where it is, as an engine does.
      await Deno.symlink(folder.file(from), root.writable(name));
      writable.push(name);
    }
  }
  const runAs = (user: number, ...args: string[]) => {
    const how = { user, folder: service.working_dir ?? "/", writable };
    return new ProgramProcess(args, { command: root.command(how) });
  };
  const runIn = (...args: string[]) => runAs(USER, ...args);
  return { command: service.command ?? [], runIn, runAs };
}

async function hashes(folder: TempFolder): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of ["config/config.json", "modules/libcpp_module.so"]) {
    const { uid, mode } = await Deno.stat(folder.file(name));
    const bytes = await Deno.readFile(folder.file(name));
    found[name] = `${uid} ${mode} ${createHash("sha256").update(bytes).digest("hex")}`;
  }
  return found;
}

/** From their container to ours, and back. */
async function moves(recent: RootFs): Promise<void> {
  await using broker = await Mosquitto.start();
  await using folder = await theirFolder(broker.port, recent);
  const before = await hashes(folder);
  await adoptConfig(folder);

  const { command, runIn, runAs } = await containerOf(folder, recent);
  const [, config = ""] = command;

  // The image's own user, for whoever leaves "user" out.
  await using other = runAs(NONROOT, ...command);
  assert.equal((await other.ended()).code, 1);
  assert.ok(
    other.text.startsWith(
      `error: Cannot write log files in "${HOME}/log": permission denied. ` +
        `Let the user that runs the server (uid ${NONROOT}) write there`,
    ),
    other.text,
  );

  await using doctor = runIn("doctor", "--listen", "1", config);
  assert.equal((await doctor.ended()).code, 0, doctor.text);
  assert.match(doctor.text, /GLIBCXX_3\.4\.33 or newer, .*loads in an image on \S+cc-debian13/);

  await using server = runIn(...command);
  await server.line(/\(car_a\)\t.*is now CONNECTED|Serving 1 car/);
  const at = { host: "127.0.0.1", port: broker.port };
  await using gateway = new Gateway({ company: COMPANY, car: "car_a", broker: at }).start();
  await gateway.running();
  const [device] = gateway.devices;
  assert.ok(device);
  await gateway.send(device, "20");
  assert.equal((await server.stop()).code, 0, server.text);

  // The log goes on in their file, for the same owner, in lines that their pipeline takes.
  const log = await Deno.readTextFile(folder.file("log/external_server.log"));
  assert.ok(log.startsWith(THEIR_LINE), log);
  const lines = log.trimEnd().split("\n");
  for (const line of lines) assert.match(line, PYTHON_LINE);
  assert.ok(lines.some((line) => line.includes("\t(car_a)\t")), log);
  assert.match(log, /\t\(server\)\tStopped\n$/);
  assert.equal((await Deno.stat(folder.file("log/external_server.log"))).uid, USER);

  // The way back is their compose file: all that it reads is as it was, and its user may write.
  assert.deepEqual(await hashes(folder), before);
}

/** What the image with the older runtimes says of a module that needs the newer ones. */
async function refuses(old: RootFs, recent: RootFs): Promise<void> {
  await using folder = await theirFolder(1, recent);
  await adoptConfig(folder);
  const { command, runIn } = await containerOf(folder, old);
  await using server = runIn(...command);
  assert.equal((await server.ended()).code, 1);
  const about = server.lines.filter((line) => line.includes("libcpp_module.so"));
  assert.equal(about.length, 2, server.text);
  for (const line of about) {
    assert.match(line, /it needs (glibc 2\.38|GLIBCXX_3\.4\.3[23], GLIBCXX_3\.4\.3[23])/);
    assert.ok(
      line.endsWith(`; in containers, build the image on ${IMAGE_VARIANTS[1]?.base}`),
      line,
    );
  }
}

/** The table of operation.md, the one in the code, and what is in the packages, are the same. */
async function isDocumented(root: RootFs, variant: ImageVariant): Promise<void> {
  const newest = async (name: string, file: string) => {
    // Debian 12 still has its C library in /lib.
    const path = `lib/${Deno.build.arch}-linux-gnu/${file}`;
    const bytes = await Deno.readFile(root.path(path)).catch(() =>
      Deno.readFile(root.path(`usr/${path}`))
    );
    const text = new TextDecoder("latin1").decode(bytes);
    const found = text.matchAll(new RegExp(`\\0${name}_(\\d[\\d.]*)(?=\\0)`, "g"));
    return Array.from(found, ([, version = ""]) => version).sort(compareVersions).at(-1);
  };
  const { base, gcc, versions } = variant;
  assert.deepEqual({
    GLIBC: await newest("GLIBC", "libc.so.6"),
    GLIBCXX: await newest("GLIBCXX", "libstdc++.so.6"),
    CXXABI: await newest("CXXABI", "libstdc++.so.6"),
  }, versions);
  const page = await Deno.readTextFile(`${ROOT}docs/operation.md`);
  const row = page.split("\n").find((line) => line.includes(`\`${base}\``)) ?? "";
  const cells = row.split("|").map((cell) => cell.trim()).slice(2, -1);
  assert.deepEqual(cells, [`${gcc}`, ...Object.values(versions)], base);
}

Deno.test({
  name: `a fleet moves from the Python server's container to ours, and back${
    REASON === undefined ? "" : ` [skipped: ${REASON}]`
  }`,
  ignore: REASON !== undefined,
  async fn() {
    await using recent = await RootFs.make("trixie");
    await using old = await RootFs.make("bookworm");
    const [first, second] = IMAGE_VARIANTS;
    assert.ok(first && second && IMAGE_VARIANTS.length === 2);
    await isDocumented(old, first);
    await isDocumented(recent, second);
    await refuses(old, recent);
    await moves(recent);
  },
});

Deno.test("migration.md shows the compose file that is checked in", async () => {
  const file = await Deno.readTextFile(ROOT + COMPOSE);
  const page = await Deno.readTextFile(`${ROOT}docs/migration.md`);
  assert.ok(page.includes(`\`\`\`yaml\n${file.slice(file.indexOf("services:"))}\`\`\`\n`));
});
