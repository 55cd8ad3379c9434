// Tells systemd that the server serves, and that it stops: `Type=notify` in a unit.
//
// The datagram socket that systemd listens on is nothing that Deno opens without unstable flags, so
// systemd's own tool for scripts says it: two short processes in a service's life.
import type { Log } from "../log/mod.ts";
import type { Part } from "./lifetime.ts";

/** The tool answers when systemd has read what it sent; it is not waited for longer, in ms. */
const TIMEOUT_MS = 5000;
const VARIABLE = "NOTIFY_SOCKET";

/** What may be told. */
export type ServiceState = "READY=1" | "STOPPING=1";

/** Sends a state; resolves when it has arrived. */
export type Notify = (state: ServiceState) => Promise<void>;

/**
 * Returns what tells systemd; undefined where nobody listens. What it needs is taken out of the
 * environment: libraries in child processes have nothing to tell.
 */
export function systemdNotify(log: Log): Notify | undefined {
  const socket = Deno.env.get(VARIABLE);
  if (!socket) return undefined;
  Deno.env.delete(VARIABLE);
  return async (state) => {
    try {
      const { success, stderr } = await new Deno.Command("systemd-notify", {
        args: [state],
        env: { [VARIABLE]: socket },
        stdin: "null",
        stdout: "null",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      }).output();
      if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
    } catch (error) {
      const reason = error instanceof Deno.errors.NotFound ? "no such program" : String(error);
      log.warning(() =>
        `Cannot tell systemd ${state}: systemd-notify: ${reason}. Use Type=exec in the unit`
      );
    }
  };
}

/** The last part to start and the first to stop: everything else is up in between. */
export function servicePart(notify: Notify): Part {
  return {
    name: "the service",
    start: () => notify("READY=1"),
    // Nothing waits for who only wants to hear of it.
    stop: () => Promise.resolve(void notify("STOPPING=1")),
  };
}
