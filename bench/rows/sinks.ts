// Receivers for a sink of each kind, in this process or beside it.
import { dirname } from "node:path";

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

/** By kind. */
export const SINKS: Readonly<Record<string, (folder: string) => Promise<SinkReceiver>>> = {
  file,
  webhook,
};
