// Connections to NATS whose errors all have a listener: the library takes every listener off its sockets
// between two steps and when it closes them, and an error that comes then would end the program.
import {
  type ConnectionOptions,
  type NatsConnection,
  NatsConnectionImpl,
  setTransportFactory,
} from "@nats-io/transport-node";
import { nodeResolveHost, NodeTransport } from "@nats-io/transport-node/node_transport";

interface Listened {
  removeAllListeners(event?: string | symbol): this;
  on(event: "error", listener: () => void): this;
}

class QuietTransport extends NodeTransport {
  override async dial(server: { hostname: string; port: number }) {
    return quiet(await super.dial(server));
  }

  override async startTLS() {
    return quiet(await super.startTLS());
  }
}

/** Connects over TCP; rejects as the library does. */
export function connectNats(options: ConnectionOptions): Promise<NatsConnection> {
  const dnsResolveFn = nodeResolveHost;
  setTransportFactory({ factory: () => new QuietTransport(), dnsResolveFn });
  return NatsConnectionImpl.connect(options);
}

/** What the library wants to know, it listens for itself; a closed socket tells the rest. */
function quiet<Socket extends Listened>(socket: Socket): Socket {
  const removeAllListeners = socket.removeAllListeners.bind(socket);
  socket.removeAllListeners = (...events) => {
    removeAllListeners(...events);
    return socket.on("error", () => {});
  };
  return socket.on("error", () => {});
}
