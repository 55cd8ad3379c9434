// A program that starts a module host and then does nothing: a test kills it, or looks at how its
// host was reached. Arguments: path of the library, what it does, path of the record, where the process
// id of what it forks goes.
import { ModuleHost } from "../../src/module/module_host.ts";

const [libPath = "", how = "", record = "", forked = ""] = Deno.args;
const host = await ModuleHost.start();
const behavior: readonly (readonly [string, string])[] = how === ""
  ? []
  : [["crash_in", "forward_status"], ["crash_how", how], ["wait_ms", "60000"]];
const context = await host.createContext({
  company: "acme",
  car: "car_a",
  module: 1000,
  libPath,
  parameters: [
    ["company_name", "acme"],
    ["car_name", "car_a"],
    ["record", record],
    ["child_pid", forked],
    ["child_ms", "600000"],
    ...behavior,
  ],
  waitTimeoutMs: 100,
}, { onCommand() {}, onLost() {} });
context.releaseCommands();
const device = { module: 1000, deviceType: 0, deviceRole: "r", deviceName: "n", priority: 0 };
context.forwardStatus(device, new Uint8Array(1), () => {});
await Deno.stdout.write(new TextEncoder().encode(`${host.pid}\n`));
// Without this, nothing would keep the program alive.
setInterval(() => {}, 60_000);
