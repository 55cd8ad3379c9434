// The process of a module host, a child of the server or of a gateway: its connection, and what
// keeps it apart from the rest of the system.
import { VERSION } from "../../version.ts";
import { connectEndpoint, type Invitation, parseInvitation } from "../wire/endpoint.ts";
import type { Duplex } from "../wire/frame_channel.ts";
import { LibC } from "./libc.ts";

/** Maximum size of an invitation, which is a short line; in bytes. */
const MAX_INVITATION_BYTES = 16 * 1024;

/** Serves whoever started this process, until that is gone. */
export type Serve = (connection: Duplex, libc: LibC, invitation: Invitation) => Promise<void>;

/**
 * Serves the server that started this process until it is gone, then ends the process without
 * running libraries' destructors.
 *
 * Returns an exit status only when there is no server (this command is internal), or one of
 * another version.
 *
 * @param keeps the permissions that modules need
 */
export async function runHost(
  serve: Serve,
  keeps: readonly Deno.PermissionName[] = ["ffi"],
): Promise<number> {
  const invitation = parseInvitation(await readInvitation());
  if (invitation === null) {
    await complain("module-host is started by the server itself");
    return 2;
  }
  if (invitation.version !== VERSION) {
    await complain(
      `The program on disk is now version ${VERSION}, the server is ${invitation.version}: restart it`,
    );
    return 1;
  }
  const libc = new LibC();
  libc.leadGroup();
  libc.endGroupWithPipe();
  // Also when a library has closed the pipe.
  if (!libc.dieWithParent(invitation.parentPid)) libc.exitNow(1);
  libc.volunteerForOomKill();
  ignoreSignals();
  libc.bufferLines();
  const connection = await connectEndpoint(invitation);
  await giveUpPermissions(keeps);
  await serve(connection, libc, invitation);
  libc.exitNow(0);
  return 0;
}

/**
 * Ignores signals that libraries send to their process group, and service managers to every process
 * of a service: the parent decides. Registered with the runtime, which later sets its own handlers
 * whatever the system was told.
 */
function ignoreSignals(): void {
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {});
  }
}

async function complain(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(`${text}\n`));
}

async function readInvitation(): Promise<string> {
  const bytes = new Uint8Array(MAX_INVITATION_BYTES);
  let length = 0;
  while (length < bytes.length) {
    const count = await Deno.stdin.read(bytes.subarray(length));
    if (count === null) break;
    length += count;
    if (bytes[length - 1] === 0x0a) break;
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}

/** After the connection, the program needs only the permissions for what modules do. */
async function giveUpPermissions(keeps: readonly Deno.PermissionName[]): Promise<void> {
  for (const name of ["net", "read", "write", "run", "env", "sys", "ffi"] as const) {
    if (!keeps.includes(name)) await Deno.permissions.revoke({ name });
  }
}
