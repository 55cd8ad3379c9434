// The line formats, to the byte [LOG-LINE].
import assert from "node:assert/strict";
import {
  jsonFormatter,
  type LineRecord,
  pythonFormatter,
  textFormatter,
} from "../../src/log/format.ts";
import type { LogContext } from "../../src/log/log.ts";
import { LOG_LEVELS } from "../../src/log/settings.ts";

/** 2026-11-20 23:46:42.669 in whichever time zone the test runs. */
const TIME = new Date(2026, 10, 20, 23, 46, 42, 669).getTime();

function record(
  text: string,
  context: LogContext & { readonly car?: string } = {},
  timestamp = TIME,
): LineRecord {
  return { ...context, level: "INFO", text, timestamp };
}

Deno.test("textFormatter() writes the line that pipelines parse [LOG-LINE]", () => {
  assert.equal(
    textFormatter()(record("message", { car: "car_a" })),
    "[2026-11-20 23:46:42.669] [external-server] [INFO]\t (car_a)\tmessage\n",
  );
});

Deno.test("textFormatter() keeps three columns without a car [LOG-LINE]", () => {
  assert.equal(
    textFormatter()(record("Ready")),
    "[2026-11-20 23:46:42.669] [external-server] [INFO]\t \tReady\n",
  );
});

/** How a log pipeline for the Python server parses a line. */
const PYTHON_LINE =
  /^\[(?<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})\] \[(?<component>[^\]]+)\] \[(?<level>[A-Z]+)\]\t \[(?<path>[^\]:]+):(?<line>\d+)\]\t\((?<car>[^)]+)\)\t(?<text>.*)\n$/;

Deno.test("pythonFormatter() writes the fields of the Python server [LOG-LINE]", () => {
  const format = pythonFormatter();
  assert.equal(
    format(record("message", { car: "car_a" })),
    "[2026-11-20 23:46:42.669] [external-server] [INFO]\t [external_server:0]\t(car_a)\tmessage\n",
  );
  const inCar = PYTHON_LINE.exec(format(record("message", { car: "car_a", session: "s-1" })))
    ?.groups;
  assert.deepEqual([inCar?.car, inCar?.text], ["car_a", "message [session=s-1]"]);
  const outside = PYTHON_LINE.exec(format({ ...record("Ready"), level: "WARNING" }))?.groups;
  assert.deepEqual({ ...outside }, {
    time: "2026-11-20 23:46:42.669",
    component: "external-server",
    level: "WARNING",
    path: "external_server",
    line: "0",
    car: "server",
    text: "Ready",
  });
  const forged = format(record("x\n\t(car_b)\ty", { car: "a)\t(b" }));
  assert.equal(forged.split("\t").length, 4);
  // The default lacks the third field.
  assert.doesNotMatch(textFormatter()(record("message", { car: "car_a" })), PYTHON_LINE);
});

Deno.test("textFormatter() names our levels [LOG-LINE]", () => {
  const names = LOG_LEVELS.map((level) =>
    textFormatter()({ ...record("x"), level }).split(/[\[\]]/)[5]
  );
  assert.deepEqual(names, ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]);
});

Deno.test("textFormatter() appends session, device and module to the message", () => {
  const line = textFormatter()(
    record("Status forwarded", { car: "car_a", session: "s-1", device: "2/1/left", module: 2 }),
  );
  assert.ok(
    line.endsWith("\t (car_a)\tStatus forwarded [session=s-1 device=2/1/left module=2]\n"),
    line,
  );
});

Deno.test("textFormatter() follows the clock from second to second", () => {
  const format = textFormatter();
  const times = [0, 330, 331, 1331, -669].map((ms) =>
    format(record("x", {}, TIME + ms)).slice(12, 24)
  );
  assert.deepEqual(times, [
    "23:46:42.669",
    "23:46:42.999",
    "23:46:43.000",
    "23:46:44.000",
    "23:46:42.000",
  ]);
});

Deno.test("textFormatter() cannot be made to forge a line or a column", () => {
  const forged = "x\n[2026-11-20 23:46:42.669] [external-server] [INFO]\t (car_b)\tall is well";
  const separators = "\r\x00\x1b[31m\x7f\x85\u2028\u2029";
  const line = textFormatter()(
    record(forged + separators, { car: "a\nb", session: `s"] \n[`, device: "1/1/\t" }),
  );
  assert.deepEqual(line.match(/[\p{Cc}\u2028\u2029]/gu), ["\t", "\t", "\n"]);
  assert.equal(line.indexOf("\n"), line.length - 1);
  assert.ok(line.includes("x\\n[2026"), line);
  assert.ok(line.includes("\\r\\u0000\\u001b[31m\\u007f\\u0085\\u2028\\u2029"), line);
  assert.ok(line.includes(String.raw`session="s\"] \n["`), line);
});

Deno.test("both formatters show characters that reverse the direction of writing", () => {
  const name = "a\u202eb\u2066\u200b\ud800";
  const properties = { car: name, session: name, device: name };
  const text = textFormatter()(record(name, properties));
  const json = jsonFormatter()(record(name, properties));
  for (const line of [text, json]) {
    assert.doesNotMatch(line.trimEnd(), /[\p{Cf}\p{Cs}]/u);
    assert.equal(line.split("a\\u202eb\\u2066\\u200b\\ud800").length, 5, line);
  }
  assert.equal(JSON.parse(json).car, name);
});

Deno.test("textFormatter() cuts values that a peer could make endless", () => {
  const line = textFormatter()(record("m".repeat(1e6), { session: "s".repeat(1e6) }));
  assert.ok(line.length < 17_000, `${line.length} characters`);
  assert.ok(line.includes("... (983616 more characters)"));
  assert.ok(line.includes("... (999800 more characters)"));
});

Deno.test("jsonFormatter() writes one object a line, to the byte", () => {
  const at = Date.UTC(2026, 10, 20, 23, 46, 42, 669);
  assert.equal(
    jsonFormatter()(
      record('said "hi"', { car: "car_a", session: "s", device: "2/1/r", module: 2 }, at),
    ),
    '{"timestamp":"2026-11-20T23:46:42.669Z","level":"INFO","logger":"external-server",' +
      '"car":"car_a","session":"s","device":"2/1/r","module":2,"message":"said \\"hi\\""}\n',
  );
  assert.equal(
    jsonFormatter()(record("Ready", {}, at)),
    '{"timestamp":"2026-11-20T23:46:42.669Z","level":"INFO","logger":"external-server",' +
      '"message":"Ready"}\n',
  );
});

Deno.test("jsonFormatter() keeps any text on its line, and readable", () => {
  const text = "a\nb\tc\x85d\u2028e\x7f";
  const line = jsonFormatter()(record(text));
  assert.deepEqual(line.match(/[\p{Cc}\u2028\u2029]/gu), ["\n"]);
  assert.equal(JSON.parse(line).message, text);
});
