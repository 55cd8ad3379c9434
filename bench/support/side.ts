// The two things that are compared, started alike: our server, and the bare echo.
import {
  COMPANY,
  type ProcessOptions,
  ServerProcess,
  type TestModule,
} from "../../tests/e2e/server_process.ts";
import { ScriptProcess } from "../../tests/support/script_process.ts";

/** Which of them. */
export type SideName = "server" | "echo";

/** One of them, running. */
export interface Side extends AsyncDisposable {
  readonly name: SideName;
  readonly pid: number;
  /** What the server prints, and how it ends; the echo does not tell. */
  readonly server?: ServerProcess;
  /** Resolves when the server serves its cars, or the echo has subscribed for all. */
  ready(timeoutMs: number): Promise<void>;
}

/** How a side is started. */
export interface SideOptions {
  readonly port: number;
  readonly cars: number;
  /** The modules of each car, by id; the echo has none. */
  readonly modules: (car: string) => Readonly<Record<string, TestModule>>;
  /** Of each car; the server's come from its modules. */
  readonly echoCommandsPerSecond?: number;
  /** Further keys of the server's configuration. */
  readonly more?: Readonly<Record<string, unknown>>;
  /** How the server's process is started. */
  readonly process?: ProcessOptions;
}

/** Logs as a server in the field does. */
const LOGGING = { console: { level: "INFO", use: true } };

/** Starts one side; waits for nothing. */
export async function launchSide(name: SideName, options: SideOptions): Promise<Side> {
  const { port, cars, modules, echoCommandsPerSecond = 0, more = {} } = options;
  if (name === "echo") {
    const args = [port, COMPANY, cars, echoCommandsPerSecond].map(String);
    const process = new ScriptProcess(new URL("../echo.ts", import.meta.url), args);
    return {
      name,
      pid: process.pid,
      ready: async (timeoutMs) => void await process.line(timeoutMs),
      [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
    };
  }
  const names = Array.from({ length: cars }, (_, i) => `car_${i + 1}`);
  const process = await ServerProcess.launch({
    port,
    cars: Object.fromEntries(names.map((car) => [car, modules(car)])),
    more: { logging: LOGGING, ...more },
  }, { ...options.process, record: false });
  return {
    name,
    pid: process.pid,
    server: process,
    ready: async (timeoutMs) => void await process.line(/Serving \d+ cars?/, timeoutMs),
    // In order, so that it takes its module hosts along; then what is left, if anything is.
    [Symbol.asyncDispose]: async () => {
      try {
        await process.stop();
      } finally {
        await process[Symbol.asyncDispose]();
      }
    },
  };
}
