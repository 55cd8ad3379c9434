// Notifies systemd that the server is ready and that it is stopping: `Type=notify` in a unit.
//
// Deno opens Unix datagram sockets only with unstable flags, so this uses `systemd-notify`: two
// short processes in the life of a service.
import type { Log } from "../../log/mod.ts";

/** The tool returns when systemd has read its message; deadline for that, in milliseconds. */
const TIMEOUT_MS = 5000;
const VARIABLE = "NOTIFY_SOCKET";

export type ServiceState = "READY=1" | "STOPPING=1";

/** Sends a state; resolves when systemd has read it. */
export type Notify = (state: ServiceState) => Promise<void>;

/**
 * Returns the function that notifies systemd; undefined when the program does not run as such a
 * unit. Removes the socket's name from the environment, so that module libraries cannot use it.
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

/** The last part to start and the first to stop: in between, everything else is up. */
export function servicePart(notify: Notify) {
  return {
    name: "the service",
    start: () => notify("READY=1"),
    // The start and the stop do not wait for the notification.
    stop: () => Promise.resolve(void notify("STOPPING=1")),
  };
}
