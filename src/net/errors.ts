// What can go wrong between us and a broker.

/** Bytes from the broker that are not MQTT 3.1.1, or that we did not ask for. */
export class MalformedPacketError extends Error {
  override readonly name: string = "MalformedPacketError";
}

/** Bytes from the broker that are no frames of a WebSocket, or not those that MQTT is sent in. */
export class MalformedFrameError extends MalformedPacketError {
  override readonly name: string = "MalformedFrameError";
}

/** The broker answered with a refusal; trying again sooner than planned is of no use. */
export class BrokerRefusedError extends Error {
  override readonly name: string = "BrokerRefusedError";
}

/** No WebSocket comes about. */
export class WebSocketRefusedError extends BrokerRefusedError {
  override readonly name: string = "WebSocketRefusedError";
}

/** The broker has closed the connection without a word. */
export class BrokerClosedError extends Error {
  override readonly name = "BrokerClosedError";

  constructor(options?: ErrorOptions) {
    super("closed by the broker", options);
  }
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

/** The server cannot listen. */
export class HttpListenError extends Error {
  override readonly name = "HttpListenError";

  constructor(address: string, reason: string, options?: ErrorOptions) {
    super(`Cannot listen for HTTP on "${address}": ${reason}`, options);
  }
}
