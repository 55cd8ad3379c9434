// Receivers for a sink of each kind, in this process or beside it.
import { dirname } from "node:path";
import { openStream } from "../../src/net/link_stream.ts";
import { createClient } from "../../src/transport/mqtt/client.ts";
import { Mosquitto } from "../../tests/support/mosquitto.ts";
import { localBroker } from "../../tests/support/mqtt_peers.ts";
import { Nats } from "../../tests/support/nats.ts";

/** A receiver, and the sink that delivers to it. */
export interface SinkReceiver extends AsyncDisposable {
  /** As the configuration has it. */
  readonly sink: Readonly<Record<string, unknown>>;
  /** Statuses that have come. */
  taken(): Promise<number>;
}

/** What sinks are measured with: a status is one event. */
const COMMON = { events: ["status.accepted"], batch_ms: 200 };

async function file(folder: string): Promise<SinkReceiver> {
  return await Promise.resolve({
    sink: { ...COMMON, kind: "file", directory: folder },
    async taken() {
      let lines = 0;
      for await (const { name } of Deno.readDir(folder)) {
        const text = await Deno.readTextFile(`${folder}/${name}`);
        lines += text.split("\n").length - 1;
      }
      return lines;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}

async function webhook(folder: string): Promise<SinkReceiver> {
  const secretFile = `${dirname(folder)}/secret`;
  await Deno.writeTextFile(secretFile, "a-secret-that-is-long-enough");
  let taken = 0;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const body = await request.bytes();
      for (const byte of body) if (byte === 10) taken++;
      return new Response(null, { status: 204 });
    },
  );
  return {
    sink: {
      ...COMMON,
      kind: "webhook",
      url: `http://127.0.0.1:${server.addr.port}/`,
      secret_file: secretFile,
    },
    taken: () => Promise.resolve(taken),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function mqtt(): Promise<SinkReceiver> {
  const broker = await Mosquitto.start({ lines: ["set_tcp_nodelay true"] });
  const address = localBroker(broker.port);
  const client = createClient(() => openStream(address), { broker: address });
  let taken = 0;
  client.on("message", () => taken++);
  const ready = Promise.withResolvers<void>();
  client.on("error", ready.reject);
  client.on("connect", () => {
    client.subscribe("telemetry/#", { qos: 0 }, (error) => {
      if (error) ready.reject(error);
      else ready.resolve();
    });
  });
  client.connect();
  await ready.promise;
  return {
    sink: { ...COMMON, kind: "mqtt", address: `mqtt://127.0.0.1:${broker.port}` },
    taken: () => Promise.resolve(taken),
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
      await broker[Symbol.asyncDispose]();
    },
  };
}

async function nats(): Promise<SinkReceiver> {
  const server = await Nats.start();
  await server.manage((manager) =>
    manager.streams.add({ name: "telemetry", subjects: ["telemetry.>"] })
  );
  return {
    sink: { ...COMMON, kind: "nats", address: `nats://127.0.0.1:${server.port}` },
    async taken() {
      const { state } = await server.manage((manager) => manager.streams.info("telemetry"));
      return state.messages;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** By kind. */
export const SINKS: Readonly<Record<string, (folder: string) => Promise<SinkReceiver>>> = {
  file,
  webhook,
  mqtt,
  nats,
};
