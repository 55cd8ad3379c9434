// Where an internal server listens: TCP, TLS, or a Unix socket.
import type { InternalServerConfig } from "../config/mod.ts";
import { describeListenFailure, hostPort, ListenError, readTls, TlsFileError } from "../net/mod.ts";

/** A TCP port, 0 for any free one, or the path of a Unix socket. */
export type ListenAddress =
  | {
    readonly port: number;
    /** @default {"0.0.0.0"} */
    readonly host?: string;
    /** Files in PEM form; absent: no TLS. */
    readonly tls?: { readonly certFile: string; readonly keyFile: string };
  }
  | { readonly path: string };

/**
 * Where devices connect: the port, and a Unix socket besides.
 *
 * @param anyPort used where the configuration leaves the choice to the system
 */
export function listenAddresses(
  { address: host, port: wanted, tls, unixSocket }: InternalServerConfig,
  anyPort = 0,
): ListenAddress[] {
  const port = wanted === 0 ? anyPort : wanted;
  const tcp = { host, port, ...(tls === undefined ? {} : { tls }) };
  return unixSocket === undefined ? [tcp] : [tcp, { path: unixSocket }];
}

/**
 * Listens with the runtime's own connections. Of a Unix socket that nobody listens on any more, the
 * file is replaced.
 *
 * @throws {ListenError} when the address cannot be had.
 * @throws {TlsFileError} when a file for TLS cannot be used.
 */
export async function listenAt(
  address: ListenAddress,
): Promise<Deno.Listener | Deno.UnixListener> {
  try {
    if ("port" in address) {
      const where = { hostname: address.host ?? "0.0.0.0", port: address.port };
      if (address.tls === undefined) return Deno.listen(where);
      const { cert = "", key = "" } = await readTls(address.tls);
      return Deno.listenTls({ ...where, cert, key });
    }
    if (await isLeftBehind(address.path)) await Deno.remove(address.path);
    return Deno.listen({ transport: "unix", path: address.path });
  } catch (cause) {
    if (cause instanceof TlsFileError) throw cause;
    const where = describeAddress(address);
    const why = "path" in address && (cause as { code?: string }).code === "EADDRINUSE"
      ? "the file exists; end what listens there, or take another"
      : describeListenFailure(cause);
    throw new ListenError(`Cannot listen for devices on "${where}": ${why}`, { cause });
  }
}

/** Closes a listener, and removes the file of a Unix socket. */
export async function closeListener(listener: Deno.Listener | Deno.UnixListener): Promise<void> {
  const { addr } = listener;
  listener.close();
  if (addr.transport === "unix") await Deno.remove(addr.path).catch(() => {});
}

/** For people: the path, or host and port. */
export function describeAddress(address: ListenAddress): string {
  return "path" in address ? address.path : hostPort(address.host ?? "0.0.0.0", address.port);
}

/** Whether the file is a socket that a process has left behind. */
async function isLeftBehind(path: string): Promise<boolean> {
  const file = await Deno.lstat(path).catch(() => null);
  if (file?.isSocket !== true) return false;
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.ConnectionRefused;
  }
}
