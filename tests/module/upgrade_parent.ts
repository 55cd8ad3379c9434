// A program whose executable is replaced by another while it runs, and which starts a module host
// after that. Arguments: the executable that takes the place of its own, how long a host may take to
// start, in milliseconds.
import { ModuleHost } from "../../src/module/module_host.ts";

const [replacement = "", startTimeoutMs = "60000"] = Deno.args;
const program = Deno.execPath();
await Deno.rename(replacement, program);
const host = await ModuleHost.start({ startTimeoutMs: Number(startTimeoutMs) });
await Deno.stdout.write(
  new TextEncoder().encode(`${await Deno.readLink(`/proc/${host.pid}/exe`)}\n`),
);
await host.stop();
