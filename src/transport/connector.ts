// The connector of a broker, chosen by the scheme of its address: what the transports of all cars
// share.
import type { BrokerConfig } from "../config/mod.ts";
import type { Log } from "../log/mod.ts";
import { readTls, type TlsMaterial } from "../net/mod.ts";
import type { Clock } from "../time/mod.ts";
import type { Conversation, ConversationOptions } from "./conversation.ts";
import { BrokerConnector } from "./mqtt/broker_connector.ts";
import type { CarTransport, CarTransportOptions } from "./transport.ts";

/** What a {@linkcode Connector} is made from. */
export interface ConnectorOptions {
  readonly broker: BrokerConfig;
  /** The first pause before the broker is tried again, in milliseconds. */
  readonly refusedPauseMs: number;
  readonly log: Log;
  /** Silence after which a ping is sent, in seconds. @default {15} */
  readonly keepAliveS?: number;
  /** @default the machine's own */
  readonly clock?: Clock;
}

/** How to reach a broker, with the contents of the TLS files. */
export interface BrokerWay {
  readonly broker: BrokerConfig;
  readonly refusedPauseMs: number;
  readonly tls: TlsMaterial | undefined;
}

/** One for each broker; makes the transports of all cars. */
export interface Connector {
  /** Makes a car's transport, which connects when it is started. */
  createTransport(options: CarTransportOptions): CarTransport;
  /** Makes a connection to a conversation that several servers may take part in, one at a time. */
  createConversation(options: ConversationOptions): Promise<Conversation>;
  /** Whether this way has other TLS files than the current one, or other contents of the same files. */
  hasOtherTls(way: BrokerWay): boolean;
  /** Uses another way for every connection from now on; missing parts stay as they are. */
  take(way: Partial<BrokerWay>): void;
}

type MakeConnector = (options: ConnectorOptions, way: BrokerWay) => Connector;

const mqtt: MakeConnector = (options, way) => new BrokerConnector(options, way);

const BY_SCHEME: Readonly<Record<BrokerConfig["protocol"], MakeConnector>> = {
  mqtt,
  mqtts: mqtt,
  ws: mqtt,
  wss: mqtt,
};

/**
 * Makes a connector and reads the TLS files, if there are any; connects nothing yet.
 *
 * @throws {TlsFileError} when one cannot be read or used.
 */
export async function createConnector(options: ConnectorOptions): Promise<Connector> {
  return BY_SCHEME[options.broker.protocol](options, await findWay(options));
}

/**
 * Reads the TLS files, if there are any.
 *
 * @throws {TlsFileError} when one cannot be read or used.
 */
export async function findWay(
  { broker, refusedPauseMs }: Pick<ConnectorOptions, "broker" | "refusedPauseMs">,
): Promise<BrokerWay> {
  return { broker, refusedPauseMs, tls: broker.tls && await readTls(broker.tls) };
}
