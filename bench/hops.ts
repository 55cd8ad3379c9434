// Counts the way of a status through the server: files, functions and function entries from the bytes
// that come from the broker to those that go back, module host apart. Counted by V8 (precise coverage
// with call counts) while one car sends 3 s, one status at a time; getters and closures count,
// libraries do not.
import { program } from "../tests/e2e/server_process.ts";
import { BenchModule } from "./support/module.ts";
import { pause, Stage } from "./support/stage.ts";

const SRC = new URL("../src/", import.meta.url).href;
const INSPECTOR = "127.0.0.1:9237";

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly functionName: string;
      readonly ranges: readonly { readonly count: number }[];
    }[];
  }[];
}

/** A connection to the inspector of the server, and how to ask it. */
async function inspector() {
  const [{ webSocketDebuggerUrl }] = await (await fetch(`http://${INSPECTOR}/json`)).json();
  const socket = new WebSocket(webSocketDebuggerUrl);
  const answers = new Map<number, (result: unknown) => void>();
  socket.onmessage = ({ data }) => {
    const { id, result } = JSON.parse(data);
    answers.get(id)?.(result);
  };
  await new Promise((resolve) => socket.onopen = resolve);
  const ask = (method: string, params = {}): Promise<unknown> => {
    const id = answers.size + 1;
    socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => answers.set(id, resolve));
  };
  return { socket, ask };
}

await using benchModule = await BenchModule.build();
const [command, [run = "", ...args]] = program();
await using stage = await Stage.set({
  side: "server",
  cars: 1,
  modules: () => ({ 1000: { lib_path: benchModule.path, config: {} } }),
  process: { command: [command, [run, `--inspect=${INSPECTOR}`, ...args]] },
});
const { socket, ask } = await inspector();
await ask("Profiler.enable");
await ask("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
await stage.ask({ ask: "load", rate: 0, window: 1, bytes: 64 });
await pause(1_000);
await ask("Profiler.takePreciseCoverage");
await stage.ask({ ask: "reset" });
await pause(3_000);
const { answered } = await stage.ask({ ask: "report" });
const { result } = await ask("Profiler.takePreciseCoverage") as Coverage;

const lines: string[] = [];
const sum = { functions: 0, entries: 0 };
for (const { url, functions } of result.filter(({ url }) => url.startsWith(SRC))) {
  const entered = functions.flatMap(({ functionName, ranges }) => {
    const perStatus = (ranges[0]?.count ?? 0) / answered;
    if (perStatus < 0.5) return [];
    const count = Math.round(perStatus);
    sum.functions++;
    sum.entries += count;
    return [`${functionName || "(anonymous)"}${count > 1 ? ` ${count} times` : ""}`];
  });
  if (entered.length > 0) lines.push(`${url.slice(SRC.length)}: ${entered.join(", ")}`);
}
const total = `${lines.length} files, ${sum.functions} functions, ${sum.entries} entries`;
Deno.stdout.writeSync(new TextEncoder().encode(`${lines.sort().join("\n")}\n\n${total}\n`));
socket.close();
