// Stands before the HTTP server, which bounds requests but not connections: it waits for ever for the
// rest of a header, and takes as many clients as there are file descriptors, which the cars'
// connections need. Every connection comes through here and is passed on, byte by byte, to the HTTP
// server's own port on the loopback interface.
import { type Clock, systemClock, type TimerHandle } from "../time/clock.ts";

/** Connections at a time, of all clients and of one. */
const LIMITS = { all: 1024, client: 512 } as const;
/**
 * A connection on which the server has said nothing, or could not for as long, is closed; in
 * milliseconds. Longer than any answer takes, and than the pause between two events.
 */
export const SILENCE_MS = 90_000;
/** How often silence is looked for, in milliseconds. */
const LOOK_MS = 10_000;
/** The pause after a connection that could not be taken, in milliseconds. */
const AGAIN_MS = 50;
/** Bytes read at once. */
const CHUNK = 16 * 1024;

interface Passage {
  readonly client: string;
  readonly ends: Deno.TcpConn[];
  /** When the client last took what the server said. */
  heardAt: number;
}

/** The listening side of an HTTP server. */
export class FrontDoor {
  readonly #clock: Clock;
  readonly #limits: { readonly all: number; readonly client: number };
  readonly #listener: Deno.TcpListener;
  readonly #passages = new Set<Passage>();
  /** How many connections each client has. */
  readonly #perClient = new Map<string, number>();
  /** Clients by the port from which their bytes are passed on. */
  readonly #clients = new Map<number, string>();
  #looking: TimerHandle | null = null;
  #stopped = false;

  /** Takes the port; nobody is let in before {@linkcode FrontDoor.open}. */
  constructor(
    where: { readonly hostname: string; readonly port: number },
    clock: Clock = systemClock,
    limits: { readonly all: number; readonly client: number } = LIMITS,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#listener = Deno.listen(where);
  }

  /** The port it listens on. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** How many connections there are. */
  get size(): number {
    return this.#passages.size;
  }

  /** Lets clients in, to the HTTP server at `innerPort` of 127.0.0.1. */
  open(innerPort: number): void {
    void this.#accept(innerPort);
  }

  /** Whose request it is that came from this port; undefined when it did not come through here. */
  clientOf(port: number): string | undefined {
    return this.#clients.get(port);
  }

  /** Takes no more connections, and cuts off those there are. */
  stop(): void {
    this.#stopped = true;
    closeQuietly(this.#listener);
    for (const passage of [...this.#passages]) close(passage);
    if (this.#looking !== null) this.#clock.clear(this.#looking);
    this.#looking = null;
  }

  async #accept(innerPort: number): Promise<void> {
    while (true) {
      let outer: Deno.TcpConn;
      try {
        outer = await this.#listener.accept();
      } catch {
        if (this.#stopped) return;
        // The client is gone again, or there are too many files for a moment.
        await new Promise<void>((resolve) => this.#clock.set(resolve, AGAIN_MS));
        continue;
      }
      const client = outer.remoteAddr.hostname;
      const count = this.#perClient.get(client) ?? 0;
      const { all, client: own } = this.#limits;
      if (this.size >= all || count >= own) closeQuietly(outer);
      else void this.#pass(outer, client, innerPort);
    }
  }

  async #pass(outer: Deno.TcpConn, client: string, innerPort: number): Promise<void> {
    const passage: Passage = { client, ends: [outer], heardAt: this.#clock.now() };
    this.#passages.add(passage);
    this.#perClient.set(client, (this.#perClient.get(client) ?? 0) + 1);
    this.#looking ??= this.#clock.set(() => this.#look(), LOOK_MS);
    let port: number | undefined;
    try {
      const inner = await Deno.connect({ hostname: "127.0.0.1", port: innerPort });
      passage.ends.push(inner);
      port = inner.localAddr.port;
      this.#clients.set(port, client);
      inner.setNoDelay(true);
      outer.setNoDelay(true);
      const down = copy(inner, outer, () => passage.heardAt = this.#clock.now());
      // A client that says no more may still listen.
      const up = copy(outer, inner).then(() => inner.closeWrite()).then(() => down);
      await Promise.race([up, down]);
    } catch {
      // One of the two is gone: nothing to do but to let the other one go.
    } finally {
      close(passage);
      this.#passages.delete(passage);
      if (port !== undefined) this.#clients.delete(port);
      const left = (this.#perClient.get(client) ?? 1) - 1;
      if (left > 0) this.#perClient.set(client, left);
      else this.#perClient.delete(client);
    }
  }

  #look(): void {
    const oldest = this.#clock.now() - SILENCE_MS;
    for (const passage of [...this.#passages]) if (passage.heardAt <= oldest) close(passage);
    this.#looking = this.size === 0 ? null : this.#clock.set(() => this.#look(), LOOK_MS);
  }
}

/** Passes bytes on until there are no more, or one end is gone. */
async function copy(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  onPassed: () => void = () => {},
): Promise<void> {
  const chunk = new Uint8Array(CHUNK);
  while (true) {
    const size = await from.read(chunk);
    if (size === null) return;
    for (let sent = 0; sent < size;) sent += await to.write(chunk.subarray(sent, size));
    onPassed();
  }
}

function close({ ends }: Passage): void {
  for (const end of ends.splice(0)) closeQuietly(end);
}

function closeQuietly(end: { close(): void }): void {
  try {
    end.close();
  } catch {
    // It is closed already.
  }
}
