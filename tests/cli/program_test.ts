// The command line as users meet it, in a process of its own [CLI-ARGUMENTS].
import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { configDocument, program, ProgramProcess } from "../e2e/server_process.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { Certificates } from "../support/certificates.ts";
import { freePort } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";

/** Runs the program to its end. */
async function run(args: readonly string[], cwd?: string): Promise<{ code: number; text: string }> {
  await using process = new ProgramProcess(args, cwd === undefined ? {} : { cwd });
  const { code } = await process.ended();
  return { code, text: process.text };
}

/** A configuration that can be used, and whose module is not loaded by anyone. */
async function writeConfig(
  folder: TempFolder,
  more: Record<string, unknown> = {},
): Promise<string> {
  const lib_path = await folder.write("module.so", "");
  const cars = { car_a: { "2": { lib_path } } };
  const logging = {
    console: { use: true, level: "INFO" },
    file: { use: false, level: "INFO", path: folder.path },
  };
  const document = configDocument({ port: freePort(), cars, more: { logging, ...more } });
  return await folder.write("config.json", JSON.stringify(document));
}

Deno.test("runProgram() prints usage, commands and examples for --help [CLI-ARGUMENTS]", async () => {
  const { code, text } = await run(["--help"]);
  assert.equal(code, 0);
  for (
    const part of [
      "Usage: external-server",
      "--tls",
      "--ca <file>",
      "--broker",
      "check",
      "Examples:",
    ]
  ) {
    assert.ok(text.includes(part), `${part} is missing in:\n${text}`);
  }
  assert.doesNotMatch(text, /module-host/);
});

Deno.test("runProgram() prints a command's own options for --help and help", async () => {
  const [option, command, simulate] = await Promise.all([
    run(["start", "--help"]),
    run(["help", "start"]),
    run(["help", "simulate"]),
  ]);
  assert.match(simulate.text, /--rate <n>/);
  assert.equal(option.code, 0);
  assert.match(option.text, /Usage: external-server start/);
  assert.match(option.text, /--cert <file>/);
  assert.deepEqual(command, option);
});

Deno.test("runProgram() prints the version of deno.json and what it runs on", async () => {
  const { code, text } = await run(["--version"]);
  assert.equal(code, 0);
  assert.match(text, new RegExp(`^external-server ${RegExp.escape(config.version)} \\(Deno 2\\.`));
});

Deno.test("runProgram() refuses a command line it does not understand with 2", async () => {
  const lines: [args: string[], said: RegExp][] = [
    [["--nope"], /unknown option '--nope'/],
    [["chekc"], /neither a command nor a configuration file: "chekc"\n\(Did you mean check\?\)/],
    [["xyzzy"], /neither a command nor a configuration file: "xyzzy"\n\(see /],
    [["help", "simulat"], /no such command: "simulat"\n\(Did you mean simulate\?\)/],
    [["check", "--quite"], /unknown option '--quite'\n\(Did you mean --quiet\?\)/],
    [["a.json", "b.json"], /too many arguments/],
    [["a.json", "-c", "b.json"], /configuration file given twice: "a.json" and "b.json"/],
    [["a.json", "--ca"], /argument missing/],
    [["simulate", "--nope"], /unknown option '--nope'/],
    [["check", "--nope"], /unknown option '--nope'/],
    [["a.json", "--broker", "65536"], /--broker: expected a port up to 65535: found 65536/],
  ];
  await Promise.all(lines.map(async ([args, said]) => {
    const { code, text } = await run(args);
    assert.match(text, said);
    assert.equal(code, 2, `status of ${args.join(" ")}`);
  }));
});

Deno.test("runProgram() names a configuration that is not there with 1 [CONFIG-PROBLEMS]", async () => {
  await using folder = await TempFolder.make();
  const lines: [args: string[], said: RegExp][] = [
    [["missing.json"], /^error: missing\.json: .*no such file/m],
    [["-c", "missing"], /^error: missing: .*no such file/m],
    [["start", "missing.json"], /^error: missing\.json: .*no such file/m],
    [["check", "missing.json"], /^error: missing\.json: .*no such file/m],
    [["--broker", "missing.json"], /^error: missing\.json: .*no such file/m],
    [[], /^error: \.\/config\/config\.json: .*no such file/m],
    [[], /^\(\.\/config\/config\.json is looked for when no configuration is named\)$/m],
    [["check"], /^\(\.\/config\/config\.json is looked for/m],
    [["doctor"], /^\(\.\/config\/config\.json is looked for/m],
  ];
  await Promise.all(lines.map(async ([args, said]) => {
    const { code, text } = await run(args, folder.path);
    assert.match(text, said);
    assert.equal(code, 1, `status of ${args.join(" ")}`);
  }));
});

Deno.test("runProgram() names every TLS file that is missing or unusable with 1 [CLI-TLS]", async () => {
  await using folder = await TempFolder.make();
  const file = await writeConfig(folder);
  const garbage = await folder.write("garbage.pem", "not a certificate");
  const missing = folder.file("missing.pem");
  const lines: [args: string[], said: RegExp[]][] = [
    [["--tls"], [/--ca: /]],
    [["--tls", "--ca", garbage, "--cert", garbage], [/--key: /]],
    [["--tls", "--ca", garbage, "--key", garbage], [/--cert: /]],
    [["--tls", "--ca", missing, "--cert", missing, "--key", garbage], [
      /--ca: .*missing\.pem/,
      /--cert: .*missing\.pem/,
    ]],
    [["--tls", "--ca", folder.path], [/--ca: .*directory/]],
    [["--tls", "--ca", garbage], [/garbage\.pem/]],
  ];
  await Promise.all(lines.map(async ([args, said]) => {
    const { code, text } = await run([file, ...args], folder.path);
    for (const pattern of said) assert.match(text, pattern);
    assert.equal(code, 1, `status of ${args.join(" ")}`);
  }));
});

Deno.test("runProgram() takes --ca without --tls where the address is mqtts://, else it warns", async () => {
  await using folder = await TempFolder.make();
  await using certificates = await Certificates.make();
  const { caFile } = certificates;
  const plain = await run(["check", await writeConfig(folder), "--ca", caFile]);
  assert.equal(plain.code, 0);
  assert.match(plain.text, /^warning: --ca: Option has no effect: neither --tls nor the address/m);
  const secure = await writeConfig(folder, { mqtt_address: "mqtts://127.0.0.1" });
  const taken = await run(["check", secure, "--ca", caFile]);
  assert.doesNotMatch(taken.text, /warning: --ca/);
  assert.equal(documentIn(taken.text).external_communication.ca_certs_file, caFile);
  const missing = await run(["check", secure, "--ca", folder.file("missing.pem")]);
  assert.equal(missing.code, 1);
  assert.match(missing.text, /^error: --ca: .*missing\.pem/m);
});

Deno.test("runProgram() takes --no-tls, which refuses an address over TLS", async () => {
  await using folder = await TempFolder.make();
  const plain = await run(["check", await writeConfig(folder), "--no-tls"]);
  assert.equal(plain.code, 0, plain.text);
  assert.match(documentIn(plain.text).external_communication.server_address, /^(mqtt:\/\/)?127/);
  const secure = await writeConfig(folder, { mqtt_address: "mqtts://127.0.0.1" });
  const { code, text } = await run(["check", secure, "--no-tls"]);
  assert.equal(code, 1);
  assert.match(
    text,
    /mqtt_address: Expected an address without TLS, as "--no-tls" is given: found/,
  );
});

/** The document that `check` has printed among its other lines. */
function documentIn(text: string) {
  return JSON.parse(text.slice(text.search(/^\{$/m), text.search(/^\}$/m) + 1));
}

Deno.test("check ends with a verdict, and prints nothing else with --quiet", async () => {
  await using folder = await TempFolder.make();
  const good = await writeConfig(folder);
  assert.match((await run(["check", good])).text, /\n\}\nok: 1 car, 1 module$/);
  const quiet = await run(["check", "--quiet", good]);
  assert.deepEqual(quiet, { code: 0, text: "ok: 1 car, 1 module" });
  const warned = await writeConfig(folder, { mqtt_prot: 1 });
  const { text } = await run(["check", "-q", warned]);
  assert.deepEqual(text.split("\n"), [
    `warning: ${warned}: mqtt_prot: Unknown key: did you mean "mqtt_port"?`,
    "ok: 1 car, 1 module, 1 warning",
  ]);
  const bad = await writeConfig(folder, { mqtt_port: 0, timeout: 0 });
  const found = await run(["check", bad]);
  assert.equal(found.code, 1);
  const lines = found.text.split("\n");
  assert.equal(lines.at(-1), "2 errors");
  assert.ok(lines.slice(0, -1).every((line) => line.startsWith(`error: ${bad}: `)), found.text);
});

Deno.test("the service checks its configuration without printing it", async () => {
  const unit = await Deno.readTextFile(
    new URL("../../config/external-server.service", import.meta.url),
  );
  assert.match(unit, /^ExecStartPre=\S+ check --quiet /m);
});

Deno.test("words of results are colored on a terminal, but for NO_COLOR", async () => {
  await using folder = await TempFolder.make();
  const file = await writeConfig(folder, { mqtt_prot: 1 });
  const onTerminal = async (env: Record<string, string>, args: string[]) => {
    const [command, first] = program();
    const words = [command, ...first, ...args].map((word) => `'${word}'`).join(" ");
    const { stdout } = await new Deno.Command("script", {
      args: ["--quiet", "--command", words, "/dev/null"],
      env: { NO_COLOR: "", ...env },
      stdin: "null",
    }).output();
    return new TextDecoder().decode(stdout);
  };
  const colored = await onTerminal({}, ["check", "-q", file]);
  assert.ok(colored.includes("\x1b[33mwarning\x1b[39m: "), JSON.stringify(colored));
  const failed = await onTerminal({}, ["check", "-q", folder.file("missing.json")]);
  assert.ok(failed.includes("\x1b[31merror\x1b[39m: "), JSON.stringify(failed));
  const report = await onTerminal({}, ["doctor", "--listen", "0", file]);
  assert.ok(report.includes("\x1b[32mok\x1b[39m  "), JSON.stringify(report));
  assert.ok(report.includes("\x1b[31mfailed\x1b[39m  "), JSON.stringify(report));
  const plain = await onTerminal({ NO_COLOR: "1" }, ["check", "-q", file]);
  assert.ok(!plain.includes("\x1b"), JSON.stringify(plain));
});

Deno.test("runProgram() checks a configuration and starts nothing", async () => {
  await using folder = await TempFolder.make();
  const file = await writeConfig(folder);
  const good = await run(["check", file]);
  assert.equal(good.code, 0);
  assert.equal(documentIn(good.text).company_name, "acme");
  await Deno.remove(folder.file("module.so"));
  const bad = await run(["check", file]);
  assert.equal(bad.code, 1);
  assert.ok(bad.text.startsWith(`error: ${file}: cars.car_a.specific_modules.2.lib_path: `));
});

Deno.test("runProgram() prints a JSON Schema", async () => {
  const { code, text } = await run(["schema"]);
  assert.equal(code, 0);
  assert.ok("$schema" in JSON.parse(text));
});

Deno.test("startCommand() says on standard error why it cannot start, without a console log", async () => {
  await using folder = await TempFolder.make();
  const file = await writeConfig(folder, {
    logging: {
      console: { use: false, level: "INFO" },
      file: { use: true, level: "INFO", path: folder.file("log") },
    },
  });
  const { code, text } = await run([file]);
  assert.equal(code, 1);
  assert.match(text, /module\.so/);
  assert.match(
    await Deno.readTextFile(folder.file("log/external_server.log")),
    /CRITICAL.*module\.so/,
  );
});

Deno.test("startCommand() names a log directory it cannot write to with 1", async () => {
  await using folder = await TempFolder.make();
  const path = `${await folder.write("occupied", "")}/log`;
  const logging = { file: { use: true, level: "INFO", path } };
  const { code, text } = await run([await writeConfig(folder, { logging })]);
  assert.equal(code, 1);
  const said =
    `error: Cannot write log files in "${path}": part of its path is a file. Let the user`;
  assert.ok(text.startsWith(said), text);
  const found = await run(["doctor", "--listen", "0", folder.file("config.json")]);
  assert.ok(
    found.text.includes(`${path}: Cannot write log files: part of its path is a file\n`),
    found.text,
  );
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`startCommand() stops in order on ${signal}, broker or not [STOP-ORDER]`, async () => {
    await using folder = await TempFolder.make();
    const { module } = await buildFixtures();
    const document = configDocument({
      port: freePort(),
      cars: { car_a: { "1000": { lib_path: module } } },
    });
    const file = await folder.write("config.json", JSON.stringify(document));
    await using process = new ProgramProcess([file], { cwd: folder.path });
    await process.line(/Serving 1 car/);
    process.signal(signal);
    assert.equal((await process.ended()).code, 0);
    assert.match(process.text, new RegExp(`Stopping on ${signal}`));
    assert.match(process.text, /Stopped$/);
  });
}

Deno.test("startCommand() runs the embedded broker, on a port of its own choice if 0", async () => {
  await using folder = await TempFolder.make();
  const { module } = await buildFixtures();
  const cars = { car_a: { "1000": { lib_path: module } } };
  const document = configDocument({ port: freePort(), cars, more: { mqtt_address: "0.0.0.0" } });
  const file = await folder.write("config.json", JSON.stringify(document));
  await using process = new ProgramProcess([file, "--broker", "0"], { cwd: folder.path });
  await process.line(/The embedded broker listens on mqtt:\/\/0\.0\.0\.0:[1-9]/);
  await process.line(/car_a.*State UNINITIALIZED is now CONNECTED/);
  const port = process.text.match(/listens on mqtt:\/\/0\.0\.0\.0:(\d+)/)?.[1];
  const second = await run([file, "--broker", String(port)], folder.path);
  assert.equal(second.code, 1);
  assert.match(second.text, /Cannot listen on .*: the port is in use/);
  assert.equal((await process.stop()).code, 0);
});

Deno.test("main() ends at once on a second signal, with the shell's status for it", async () => {
  await using folder = await TempFolder.make();
  const { module } = await buildFixtures();
  const slow = { lib_path: module, config: { destroy_ms: 60_000 } };
  const document = configDocument({ port: freePort(), cars: { car_a: { "1000": slow } } });
  const file = await folder.write("config.json", JSON.stringify(document));
  for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    await using process = new ProgramProcess([file], { cwd: folder.path });
    await process.line(/Serving 1 car/);
    process.signal("SIGTERM");
    await process.line(/Stopping on SIGTERM/);
    process.signal(signal);
    assert.equal((await process.ended()).code, status);
    assert.doesNotMatch(process.text, /Stopped$/);
  }
});

Deno.test("runProgram() prints nothing raw that a terminal acts on", async () => {
  await using folder = await TempFolder.make();
  const lib_path = await folder.write("module.so", "");
  const evil = "x\u202e\u2066\u200b\u001b[2J\u0085\nwarning: ";
  const config = { [evil]: evil };
  const document = configDocument({ port: 1883, cars: { car_a: { 2: { lib_path, config } } } });
  const file = await folder.write("config.json", JSON.stringify({ ...document, [evil]: 1 }));
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(evil),
  );
  const url = `http://127.0.0.1:${server.addr.port}/healthz`;
  const runs = [["check", file], ["check", folder.file(evil)], ["health", "--url", url], [evil]];
  for (const args of runs) {
    const { text } = await run(args);
    assert.ok(text.includes("\\u202e\\u2066\\u200b\\u001b[2J\\u0085\\n"), text);
    assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    assert.doesNotMatch(text, /^warning: $/m);
  }
});

Deno.test("check and start refuse a pipe in place of any file [CONFIG-FILES]", async () => {
  await using folder = await TempFolder.make();
  const pipe = await folder.pipe("pipe");
  const notRegular = "is a pipe, not a regular file";
  for (const command of ["check", "start", "doctor"]) {
    const { code, text } = await run([command, pipe]);
    assert.equal(code, 1);
    assert.match(text, new RegExp(`${pipe}: Expected a readable file: ${notRegular}`));
  }
  assert.match((await run(["health", pipe])).text, new RegExp(`"${pipe}": ${notRegular}`));
  const file = await writeConfig(folder, { mqtt_username: "a", mqtt_password_file: pipe });
  const args = ["check", file, "--tls", "--ca", pipe, "--against", pipe];
  const { code, text } = await run(args);
  assert.equal(code, 1);
  for (const path of ["--ca", "mqtt_password_file"]) {
    assert.ok(
      text.includes(`${path}: Expected a file: found a pipe or a device at "${pipe}"`),
      text,
    );
  }
});

Deno.test("check takes a configuration from standard input [CLI-ARGUMENTS]", async () => {
  await using folder = await TempFolder.make();
  const [command, first] = program();
  const process = new Deno.Command(command, {
    args: [...first, "check", "-"],
    cwd: folder.path,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(await Deno.readFile(await writeConfig(folder)));
  await writer.close();
  const { code, stdout } = await process.output();
  assert.equal(code, 0);
  assert.equal(JSON.parse(new TextDecoder().decode(stdout)).company_name, "acme");
});
