// The endpoint where a module host connects to its server: a private Unix socket, or loopback TCP.
import { systemClock } from "../../time/mod.ts";
import type { Duplex } from "./frame_channel.ts";

/** The invitation of a host, one line of JSON on its standard input. */
export interface Invitation {
  /** The server's version: an upgrade may have replaced the program since the server was started. */
  readonly version: string;
  readonly address: Address;
  /** Hexadecimal; the first thing the host sends. */
  readonly token: string;
  readonly parentPid: number;
  readonly moduleCallTimeoutMs: number;
}

type Address =
  | { readonly transport: "unix"; readonly path: string }
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number };

const TOKEN_BYTES = 32;
/** Deadline for the token of a connection, in milliseconds. */
const TOKEN_TIMEOUT_MS = 2000;
/** Maximum number of connections without a token. */
const MAX_STRANGERS = 16;

/** Parses an invitation; null when it is none. */
export function parseInvitation(line: string): Invitation | null {
  try {
    const value = JSON.parse(line) as Partial<Invitation>;
    const { version, address, token, parentPid, moduleCallTimeoutMs } = value;
    const complete = version && address && token && parentPid && moduleCallTimeoutMs;
    return complete ? { version, address, token, parentPid, moduleCallTimeoutMs } : null;
  } catch {
    return null;
  }
}

/** Connects to the server and sends the token. */
export async function connectEndpoint(invitation: Invitation): Promise<Duplex> {
  const { address } = invitation;
  const connection: Deno.Conn = address.transport === "unix"
    ? await Deno.connect(address)
    : noDelay(await Deno.connect(address));
  const token = fromHex(invitation.token);
  let written = 0;
  while (written < token.length) written += await connection.write(token.subarray(written));
  return connection;
}

/** An endpoint for exactly one host. */
export class Endpoint {
  readonly address: Address;
  readonly token: string;
  readonly #listener: Deno.Listener;
  readonly #folder: string | null;
  readonly #guests = new Set<Deno.Conn>();
  #closed = false;

  constructor(address: Address, listener: Deno.Listener, folder: string | null) {
    this.address = address;
    this.token = toHex(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)));
    this.#listener = listener;
    this.#folder = folder;
  }

  /**
   * Listens on a Unix socket in a new folder that only this user can access; without a writable
   * folder, on a port of 127.0.0.1.
   */
  static open(options: { transport?: "unix" | "tcp" } = {}): Endpoint {
    return (options.transport === "tcp" ? null : openUnix()) ?? openTcp();
  }

  /**
   * Waits for the connection with the token, then stops listening. Others are closed.
   *
   * Rejects when the endpoint is {@linkcode close closed} before.
   */
  async accept(): Promise<Duplex> {
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    const receive = async (guest: Deno.Conn) => {
      this.#guests.add(guest);
      const known = await showsToken(guest, fromHex(this.token));
      this.#guests.delete(guest);
      if (known && !this.#closed) {
        this.close();
        resolve(guest);
      } else {
        closeQuietly(guest);
      }
    };
    const greet = async () => {
      for await (const guest of this.#listener) {
        if (this.#guests.size >= MAX_STRANGERS) closeQuietly(guest);
        else void receive(this.address.transport === "tcp" ? noDelay(guest) : guest);
      }
      reject(new Error("Cannot accept module host: the endpoint is closed"));
    };
    greet().catch(reject);
    return await promise;
  }

  /** Stops listening and removes the folder. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeQuietly(this.#listener);
    for (const guest of this.#guests) closeQuietly(guest);
    if (this.#folder !== null) removeQuietly(this.#folder);
  }
}

function openUnix(): Endpoint | null {
  let folder: string;
  try {
    folder = Deno.makeTempDirSync({ prefix: "external-server-" });
  } catch {
    return null;
  }
  try {
    // makeTempDirSync makes folders that only this user can access, which protects the socket.
    Deno.chmodSync(folder, 0o700);
    const address = { transport: "unix", path: `${folder}/host` } as const;
    return new Endpoint(address, Deno.listen(address), folder);
  } catch {
    removeQuietly(folder);
    return null;
  }
}

function openTcp(): Endpoint {
  const listener = Deno.listen({ transport: "tcp", hostname: "127.0.0.1", port: 0 });
  const { hostname, port } = listener.addr;
  return new Endpoint({ transport: "tcp", hostname, port }, listener, null);
}

async function showsToken(guest: Deno.Conn, token: Uint8Array): Promise<boolean> {
  const shown = new Uint8Array(token.length);
  let length = 0;
  const timer = systemClock.set(() => closeQuietly(guest), TOKEN_TIMEOUT_MS);
  try {
    while (length < shown.length) {
      const count = await guest.read(shown.subarray(length));
      if (count === null) return false;
      length += count;
    }
    return timingSafeEqual(shown, token);
  } catch {
    return false;
  } finally {
    systemClock.clear(timer);
  }
}

/** Compares in constant time. */
function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < b.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

function noDelay<T extends Deno.Conn>(connection: T): T {
  (connection as unknown as Deno.TcpConn).setNoDelay(true);
  return connection;
}

function closeQuietly(resource: { close(): void }): void {
  try {
    resource.close();
  } catch {
    // It is closed already.
  }
}

function removeQuietly(folder: string): void {
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch {
    // Temporary folders may be cleaned up by others.
  }
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
