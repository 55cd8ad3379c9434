// Accepts connections for the embedded broker: TCP, TLS or WebSocket, each as a node stream.
import type { Duplex } from "node:stream";
import {
  acceptAll,
  brokerAddress,
  ConnLink,
  describeListenFailure,
  LinkStream,
  ListenError,
  readTls,
  type TlsMaterial,
} from "../net/mod.ts";
import type { BrokerConfig } from "../config/mod.ts";
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { type Clock, systemClock } from "../time/mod.ts";
import { type BrokerPeer, WebSocketUpgrade } from "./websocket_upgrade.ts";

/** Takes what connects. */
export interface ListenOptions {
  readonly broker: BrokerConfig;
  /** A WebSocket client that sends a larger message is disconnected. */
  readonly maxFrameBytes: number;
  /** Further connections are refused. */
  readonly maxClients: number;
  readonly log: Log;
  readonly accept: (peer: BrokerPeer) => void;
  readonly clock?: Clock;
}

export interface BrokerListener {
  /** The port, also when the system chose it. */
  readonly port: number;
  /** Accepts no more connections; established ones stay. */
  close(): void;
}

/**
 * Listens at the broker's address; port 0 means any free one.
 *
 * @throws {ListenError} when the address cannot be had.
 * @throws {TlsFileError} when the certificate or key cannot be used.
 */
export async function listen(options: ListenOptions): Promise<BrokerListener> {
  const { broker } = options;
  const material = broker.tls && await readTls(broker.tls);
  try {
    return new Acceptor(listenAt(broker, material), options);
  } catch (cause) {
    const message = `Cannot listen on ${brokerAddress(broker)}: ${describeListenFailure(cause)}`;
    throw new ListenError(message, { cause });
  }
}

/**
 * With the runtime's own connections. Node's TLS ignores the address on some supported versions,
 * its TCP on others now and then tells nobody of the second of two pieces that arrive at once, and
 * its HTTP server ends when file descriptors run out.
 */
function listenAt(
  { host, port, protocol }: BrokerConfig,
  tls: TlsMaterial | undefined,
): Deno.Listener {
  const where = { hostname: host, port };
  return protocol === "mqtts" || protocol === "wss"
    ? Deno.listenTls({ ...where, cert: tls?.cert ?? "", key: tls?.key ?? "" })
    : Deno.listen(where);
}

class Acceptor implements BrokerListener {
  readonly #listener: Deno.Listener;
  readonly #options: ListenOptions;
  readonly #once: Once;
  readonly #upgrade: WebSocketUpgrade | undefined;
  readonly #streams = new Set<Duplex>();
  readonly #closed = new AbortController();

  constructor(listener: Deno.Listener, options: ListenOptions) {
    const { broker: { protocol }, maxFrameBytes, clock = systemClock } = options;
    this.#listener = listener;
    this.#options = options;
    this.#once = new Once({ clock });
    if (protocol === "ws" || protocol === "wss") {
      this.#upgrade = new WebSocketUpgrade(maxFrameBytes, clock);
    }
    void acceptAll(listener, {
      take: (conn) => this.#take(conn),
      onError: (error) =>
        this.#warn("accept", () => `cannot take a connection: ${describeListenFailure(error)}`),
      closed: this.#closed.signal,
      clock,
    });
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  close(): void {
    this.#closed.abort();
    this.#listener.close();
    this.#upgrade?.close();
  }

  #take(conn: Deno.Conn): void {
    const { maxClients, accept } = this.#options;
    const { remoteAddr } = conn;
    const address = "hostname" in remoteAddr ? remoteAddr.hostname : "";
    if (this.#streams.size >= maxClients) {
      this.#warn("full", () => `turned ${address} away: ${maxClients} clients are connected`);
      conn.close();
      return;
    }
    if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
    const stream = new LinkStream(new ConnLink(conn));
    this.#streams.add(stream);
    stream.on("close", () => this.#streams.delete(stream));
    if (this.#upgrade === undefined) accept({ stream, address, framingBytes: () => 0 });
    else this.#upgrade.take(stream, address, accept);
  }

  #warn(kind: string, text: () => string): void {
    const count = this.#once.ask(kind);
    if (count === undefined) return;
    this.#options.log.warning(() => `The embedded broker ${text()}${andSuppressed(count)}`);
  }
}
