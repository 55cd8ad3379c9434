// What the tests of this room share: hosts that end with their test, contexts, calls as promises.
import type { Blame, ContextSpec, ModuleContext } from "../../src/module/context.ts";
import type { ModuleCommand } from "../../src/protocol/module_interface.ts";
import type { ModuleHostOptions } from "../../src/module/host_model.ts";
import { ModuleHost } from "../../src/module/module_host.ts";
import type { CallOutcome } from "../../src/protocol/module_interface.ts";
import { readScript } from "../../src/script/mod.ts";
import type { Log, LogMessage } from "../../src/log/log.ts";
import type { Device } from "../../src/protocol/messages.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { Inbox, waitFor } from "../support/wait.ts";

/** The compiled modules; built once for each test file. */
export const fixtures = await buildFixtures();

/** A device of the fixture module. */
export const DEVICE: Device = {
  module: 1000,
  deviceType: 1,
  deviceRole: "front",
  deviceName: "door",
  priority: 0,
};

/** A host that is killed with its test, with what it said. */
export interface TestHost extends AsyncDisposable {
  readonly host: ModuleHost;
  /** Lines of the log, with the car in front of each. */
  readonly logged: string[];
  /** What libraries printed. */
  readonly printed: Inbox<string>;
}

/** Starts a host. */
export async function startHost(options: ModuleHostOptions = {}): Promise<TestHost> {
  const logged: string[] = [];
  const printed = new Inbox<string>();
  const host = await ModuleHost.start({
    startTimeoutMs: 60_000,
    log: listLog(logged),
    onOutput: (line, stream) => printed.push(`${stream}: ${line}`),
    ...options,
  });
  return {
    host,
    logged,
    printed,
    async [Symbol.asyncDispose]() {
      host.kill("the test is over");
      await waitFor(host.exited, "the host to end");
    },
  };
}

/** A log that fills a list with lines such as "WARNING car_a: text". */
export function listLog(lines: string[], car = "-"): Log {
  const add = (level: string) => (message: LogMessage) => {
    lines.push(`${level} ${car}: ${typeof message === "string" ? message : message()}`);
  };
  return {
    debug: add("DEBUG"),
    info: add("INFO"),
    warning: add("WARNING"),
    error: add("ERROR"),
    critical: add("CRITICAL"),
    isEnabled: () => true,
    forCar: (name) => listLog(lines, name),
  };
}

/** What a context of the fixture module is made from. */
export function specOf(
  car: string,
  config: Readonly<Record<string, string | number>> = {},
  overrides: Partial<ContextSpec> = {},
): ContextSpec {
  const own = Object.entries(config).map(([key, value]) => [key, String(value)] as const);
  return {
    company: "acme",
    car,
    module: 1000,
    libPath: fixtures.module,
    parameters: [["company_name", "acme"], ["car_name", car], ...own],
    waitTimeoutMs: 100,
    ...overrides,
  };
}

/** What a context of a script is made from. */
export async function scriptSpecOf(
  car: string,
  path: string,
  overrides: Partial<ContextSpec> = {},
): Promise<ContextSpec> {
  return specOf(car, {}, { libPath: path, script: await readScript(path), ...overrides });
}

/** A context with what it reported to its car. */
export interface TestContext {
  readonly context: ModuleContext;
  readonly commands: Inbox<ModuleCommand>;
  /** Resolves when `onLost` is called. */
  readonly lost: Promise<{ reason: string; blame: Blame }>;
  /** How often `onLost` was called. */
  lostCount(): number;
}

/** Makes a context. */
export async function openContext(host: ModuleHost, spec: ContextSpec): Promise<TestContext> {
  const commands = new Inbox<ModuleCommand>();
  const lost = Promise.withResolvers<{ reason: string; blame: Blame }>();
  let count = 0;
  const context = await waitFor(
    host.createContext(spec, {
      onCommand: (command) => commands.push(command),
      onLost: (reason, blame) => {
        count++;
        lost.resolve({ reason, blame });
      },
    }),
    `a context for "${spec.car}"`,
  );
  context.releaseCommands();
  return { context, commands, lost: lost.promise, lostCount: () => count };
}

/** Forwards a status and waits for the outcome. */
export function forward(
  context: ModuleContext,
  data: string | Uint8Array = "{}",
  device: Device = DEVICE,
): Promise<CallOutcome> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const outcome = new Promise<CallOutcome>((resolve) => {
    context.forwardStatus(device, bytes, resolve);
  });
  return waitFor(outcome, "forward_status to come back");
}

/** Connects a device and waits for the outcome. */
export function connect(context: ModuleContext, device: Device = DEVICE): Promise<CallOutcome> {
  const outcome = new Promise<CallOutcome>((resolve) => context.connectDevice(device, resolve));
  return waitFor(outcome, "device_connected to come back");
}

/** Bytes as text. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Whether a process exists and is not a zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

/** The calls a fixture recorded: function and details of each, oldest first. */
export async function recorded(path: string, functionName?: string): Promise<string[]> {
  const lines = (await Deno.readTextFile(path).catch(() => "")).split("\n").filter(Boolean);
  return lines.map((line) => line.split(" ").slice(2).join(" "))
    .filter((line) => functionName === undefined || line.split(" ")[0] === functionName);
}
