// What all attacks have in common.

/** An attack under way; it ends when it is disposed. */
export interface Attack extends AsyncDisposable {
  /** What it has done so far. */
  readonly counts: Readonly<Record<string, number>>;
}

/** How often what is due is sent, in milliseconds. */
const TICK_MS = 5;
/** A backlog older than this is not made up for, in milliseconds. */
const BEHIND_MS = 100;
const READ_BYTES = 65_536;

/** Calls `send` with how many are due, `perSecond` on average, until `signal`. */
export async function paced(
  perSecond: number,
  signal: AbortSignal,
  send: (count: number) => Promise<void>,
): Promise<void> {
  let from = performance.now();
  while (!signal.aborted) {
    const now = performance.now();
    from = Math.max(from, now - BEHIND_MS);
    const due = Math.floor((now - from) / 1_000 * perSecond);
    from += due / perSecond * 1_000;
    if (due > 0) await send(due);
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
}

/** Connections of an attack, closed together. */
export class Connections implements Disposable {
  readonly #open = new Set<Deno.Conn>();
  #ended = false;

  /** How many there are. */
  get size(): number {
    return this.#open.size;
  }

  /** Connects to this machine. */
  async open(port: number): Promise<Deno.TcpConn> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    if (this.#ended) {
      conn.close();
      throw new Error("Cannot connect: the attack has ended");
    }
    this.#open.add(conn);
    return conn;
  }

  /** Closes one. Idempotent. */
  close(conn: Deno.Conn): void {
    if (this.#open.delete(conn)) conn.close();
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    for (const conn of [...this.#open]) this.close(conn);
  }
}

/** Writes all of it. */
export async function send(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

/** Reads, and tells of each piece, until the connection ends, however it does. */
export async function readAll(
  conn: Deno.Conn,
  onBytes: (bytes: Uint8Array) => void = () => {},
): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  try {
    for (let count; (count = await conn.read(buffer)) !== null;) onBytes(buffer.subarray(0, count));
  } catch {
    // It is over all the same.
  }
}
