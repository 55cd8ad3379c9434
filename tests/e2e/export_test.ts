// Exports as their users know them: what was answered arrives, over kills of the server and the sinks.
import assert from "node:assert/strict";
import type { ExporterSnapshot, SinkSnapshot } from "../../src/export/mod.ts";
import { parquetReadObjects } from "hyparquet";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Stage } from "./stage.ts";

/** What was said of statuses in NDJSON: the payloads of each session in order, and the ids. */
function accepted(text: string) {
  const events = text.split("\n").slice(0, -1).map((line) => JSON.parse(line))
    .filter(({ kind }) => kind === "status.accepted");
  return {
    ids: events.map(({ id }) => id as string),
    payloads: events.map(({ payload }) => payload.text as string),
  };
}

mosquittoTest("what was answered is exported to files and a webhook, over a kill", async () => {
  await using stage = await Stage.set();
  await using folder = await TempFolder.make();
  const posted: string[] = [];
  const fails = { left: 2 };
  await using receiver = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const text = await request.text();
      if (fails.left-- > 0) return new Response(null, { status: 503 });
      posted.push(text);
      return new Response(null, { status: 204 });
    },
  );
  const setting = {
    cars: { car_1: {} },
    more: {
      event_log: { directory: folder.file("events"), durability: "each" },
      http: { port: 0 },
      state_dir: folder.file("state"),
      sinks: {
        archive: { kind: "file", directory: folder.file("archive"), batch_ms: 50 },
        hook: {
          kind: "webhook",
          url: `http://127.0.0.1:${receiver.addr.port}/`,
          secret_file: await folder.write("secret", "a-secret-that-is-long-enough\n"),
          events: ["status", "stauts"],
          batch_ms: 50,
        },
      },
    },
    options: { record: false },
  };
  const gateway = stage.gateway("car_1");
  const answered: string[] = [];
  const send = async (name: string) => {
    const [device] = gateway.devices;
    assert.ok(device);
    for (let index = 0; index < 20; index++) {
      const data = JSON.stringify({ [name]: index });
      await gateway.send(device, data);
      answered.push(data);
    }
  };
  {
    const server = await stage.serve(setting);
    await gateway.running();
    await send("before");
    server.signal("SIGKILL");
    await server.ended();
  }
  const server = await stage.serve(setting);
  await server.line(/Connect sequence done/);
  await gateway.running();
  await send("after");
  const archive = () => Deno.readTextFile(folder.file("archive/events-000001.ndjson"));
  for (const read of [() => archive().catch(() => ""), () => Promise.resolve(posted.join(""))]) {
    const hasAll = async () => {
      const { payloads } = accepted(await read());
      return answered.every((data) => payloads.includes(data));
    };
    await waitFor(hasAll, "every status that was answered");
    const { payloads, ids } = accepted(await read());
    // What comes twice has the same id; first occurrences are in order.
    const first = payloads.filter((data, index) => payloads.indexOf(data) === index);
    assert.deepEqual(first.filter((data) => answered.includes(data)), answered);
    const byId = new Map(ids.map((id, index) => [id, payloads[index]]));
    ids.forEach((id, index) => assert.equal(byId.get(id), payloads[index]));
  }
  assert.match(server.text, /WARNING.*Sink "hook" gets no such events: there is no kind "stauts"/);
  const url = await server.operatorsUrl();
  const isCaughtUp = async () => {
    const sinks = await (await fetch(`${url}/api/v1/sinks`)).json();
    assert.deepEqual(sinks.map(({ name }: { name: string }) => name), ["archive", "hook"]);
    return sinks.every(({ lag, missed, trouble }: ExporterSnapshot) =>
      lag.records === 0 && missed === 0 && trouble === null
    );
  };
  await waitFor(isCaughtUp, "sinks without a lag");
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /^external_server_sink_delivered_records_total\{sink="hook"\} [1-9]\d*$/m);
  assert.match(metrics, /^external_server_sink_missed_records_total\{sink="archive"\} 0$/m);
  assert.equal((await server.stop()).code, 0, server.text);
});

mosquittoTest(
  "channels decide what a sink gets, and change with a reload where it is",
  async () => {
    await using stage = await Stage.set();
    await using folder = await TempFolder.make();
    const lake = (map: string, where = "int(decoded.n) % 2 == 0") => ({
      kind: "file",
      directory: folder.file("lake"),
      batch_ms: 50,
      decoders: { 1000: { kind: "json" } },
      channels: {
        numbered: {
          events: ["status.accepted"],
          where: `has(decoded.n) && ${where}`,
          map: `decoded.n = 6 ? $error("no six") : ${map}`,
          example: { decoded: { n: 1 } },
        },
      },
    });
    const parquet = {
      kind: "file",
      format: "parquet",
      directory: folder.file("parquet"),
      batch_ms: 50,
      events: ["status.accepted"],
    };
    const more = (sinks: Record<string, unknown>) => ({
      event_log: { directory: folder.file("events"), durability: "each" },
      http: { port: 0 },
      state_dir: folder.file("state"),
      sinks,
    });
    const cars = { car_1: {} };
    const first = more({ lake: lake("decoded.n"), parquet });
    const server = await stage.serve({ cars, more: first, options: { record: false } });
    const gateway = stage.gateway("car_1");
    await gateway.running();
    let next = 0;
    const send = async (count: number) => {
      const [device] = gateway.devices;
      assert.ok(device);
      for (const end = next + count; next < end; next++) {
        await gateway.send(device, JSON.stringify({ n: next }));
      }
    };
    const lines = async () => {
      const text = await Deno.readTextFile(folder.file("lake/events-000001.ndjson")).catch(() =>
        ""
      );
      return text.split("\n").slice(0, -1);
    };
    await send(10);
    await waitFor(async () => (await lines()).length === 4, "what the channel sends");
    assert.deepEqual(await lines(), ["0", "2", "4", "8"]);
    await server.line(
      /Sink "lake" loses the event "[^"]+", as channel "numbered" fails in "map": .*no six/,
    );

    const url = await server.operatorsUrl();
    const sinks = async (): Promise<SinkSnapshot[]> =>
      await (await fetch(`${url}/api/v1/sinks`)).json();
    const hasSent = (count: number) =>
      waitFor(async () => (await sinks())[0]?.channels[0]?.sent === count, `${count} sent`);
    await hasSent(4);
    const document = JSON.parse(await Deno.readTextFile(server.configFile));
    const reload = async (sinks: Record<string, unknown>, line: RegExp) => {
      await Deno.writeTextFile(server.configFile, JSON.stringify({ ...document, ...more(sinks) }));
      server.signal("SIGHUP");
      await server.line(line);
    };
    await reload(
      { lake: lake("decoded.n", "decoded.n ~"), parquet },
      /sinks\.lake\.channels\.numbered\.where: .*at character \d+/,
    );
    await reload({ lake: lake("{'number': decoded.n}"), parquet }, /Configuration reloaded.*sinks/);
    // Another channel begins to count anew.
    await hasSent(0);
    await send(10);
    await waitFor(async () => (await lines()).length === 9, "what the other channel sends");
    const added = [10, 12, 14, 16, 18].map((number) => JSON.stringify({ number }));
    assert.deepEqual(await lines(), ["0", "2", "4", "8", ...added]);

    const isCaughtUp = async () => (await sinks()).every(({ lag }) => lag.records === 0);
    await waitFor(isCaughtUp, "sinks without a lag");
    const [sink] = await sinks();
    assert.deepEqual(sink?.channels, [{ name: "numbered", sent: 5, dropped: 0, failed: 0 }]);
    assert.equal(sink?.undecoded, 0);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const sent =
      /^external_server_sink_channel_events_total\{sink="lake",channel="numbered",outcome="sent"\} 5$/m;
    assert.match(metrics, sent);
    const payloads: string[] = [];
    for (
      const name of [...Deno.readDirSync(folder.file("parquet"))].map(({ name }) => name).sort()
    ) {
      const { buffer } = await Deno.readFile(folder.file(`parquet/${name}`));
      const rows = await parquetReadObjects({ file: buffer, columns: ["payload"], utf8: false });
      payloads.push(...rows.map(({ payload }) => new TextDecoder().decode(payload)));
    }
    const numbered = payloads.filter((payload) => payload.includes('"n"'));
    assert.deepEqual(numbered, Array.from({ length: 20 }, (_, n) => JSON.stringify({ n })));
    assert.equal((await server.stop()).code, 0, server.text);
  },
);
