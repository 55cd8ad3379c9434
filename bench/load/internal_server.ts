// An internal server as a process of its own, whose module handler answers at once; modules from 2 on
// take 200 ms. Prints its port, and its resident memory in kB for each line that it reads.
import { type Device, DeviceConnectResponseType } from "../../src/protocol/mod.ts";
import { INTERNAL_SERVER_SETTINGS, InternalServer } from "../../src/internal_server/mod.ts";
import { silentLog } from "../../src/log/mod.ts";
import { readLines } from "../../tests/support/lines.ts";

function print(line: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

const SLOW_MS = 200;
const COMMAND = new TextEncoder().encode('{"lit":true}');

const server: InternalServer = new InternalServer({
  settings: INTERNAL_SERVER_SETTINGS,
  log: silentLog,
  handler: {
    onConnected: (device, request) =>
      server.answerConnect(device, request, DeviceConnectResponseType.OK),
    onStatus: (device, _data, request) => {
      if (device.module === 1) answer(device, request);
      else setTimeout(() => answer(device, request), SLOW_MS);
    },
    onDisconnected: () => {},
  },
});

function answer(device: Device, request: number): void {
  server.answerStatus(device, request, COMMAND);
}

const { port } = await server.listen({ host: "127.0.0.1", port: 0 }) as Deno.NetAddr;
print(port);
for await (const _ of readLines(Deno.stdin.readable)) {
  print(Math.round(Deno.memoryUsage().rss / 1024));
}
await server.stop();
