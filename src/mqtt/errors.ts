// What can go wrong between us and a broker.

/** Bytes from the broker that are not MQTT 3.1.1, or that we did not ask for. */
export class MalformedPacketError extends Error {
  override readonly name = "MalformedPacketError";
}

/** The broker answered with a refusal; trying again sooner than planned is of no use. */
export class BrokerRefusedError extends Error {
  override readonly name = "BrokerRefusedError";
}

/** The broker, or what is between, has stopped taking or answering. */
export class BrokerStalledError extends Error {
  override readonly name = "BrokerStalledError";
}

/** A file for TLS that cannot be read or used; the message names it. */
export class TlsFileError extends Error {
  override readonly name = "TlsFileError";
}

/** The embedded broker cannot listen where it should. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}
