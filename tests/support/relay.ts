// A network between a program and a port of this machine, which a test can cut.

/** Passes connections on; `await using relay = Relay.to(port)`. */
export class Relay implements AsyncDisposable {
  readonly #listener: Deno.Listener;
  readonly #target: number;
  readonly #accepting: Promise<void>;
  readonly #open = new Set<Deno.Conn>();
  readonly #pumps = new Set<Promise<void>>();
  #isCut = false;

  private constructor(target: number) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accepting = this.#accept();
  }

  static to(port: number): Relay {
    return new Relay(port);
  }

  /** Where it listens, on 127.0.0.1. */
  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** Breaks all connections, and each new one, until {@linkcode mend}. */
  cut(): void {
    this.#isCut = true;
    for (const conn of this.#open) this.#close(conn);
  }

  mend(): void {
    this.#isCut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#accepting;
    await Promise.all(this.#pumps);
  }

  async #accept(): Promise<void> {
    try {
      for await (const conn of this.#listener) this.#track(this.#relay(conn));
    } catch {
      // Closed while it accepted a connection.
    }
  }

  async #relay(conn: Deno.Conn): Promise<void> {
    this.#open.add(conn);
    try {
      if (this.#isCut) return this.#close(conn);
      const port = this.#target;
      const other = await Deno.connect({ hostname: "127.0.0.1", port, noDelay: true } as never);
      this.#open.add(other);
      if (this.#isCut) return void [conn, other].forEach((one) => this.#close(one));
      this.#track(this.#pump(conn, other));
      await this.#pump(other, conn);
    } catch {
      this.#close(conn);
    }
  }

  async #pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
      }
    } catch {
      // Either end has closed it.
    }
    this.#close(from);
    this.#close(to);
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#pumps.delete(tracked));
    this.#pumps.add(tracked);
  }

  #close(conn: Deno.Conn): void {
    if (!this.#open.delete(conn)) return;
    conn.close();
  }
}
