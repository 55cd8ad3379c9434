// Errors of broker connections.

/** The broker sent bytes that are not MQTT 3.1.1, or an unexpected packet. */
export class MalformedPacketError extends Error {
  override readonly name: string = "MalformedPacketError";
}

/** The broker sent bytes that are not WebSocket frames, or frames that MQTT does not use. */
export class MalformedFrameError extends MalformedPacketError {
  override readonly name: string = "MalformedFrameError";
}

/** The broker refused; trying again early is of no use. */
export class BrokerRefusedError extends Error {
  override readonly name: string = "BrokerRefusedError";
}

/** The WebSocket handshake failed. */
export class WebSocketRefusedError extends BrokerRefusedError {
  override readonly name: string = "WebSocketRefusedError";
}

/** The broker closed the connection without a reason. */
export class BrokerClosedError extends Error {
  override readonly name = "BrokerClosedError";

  constructor(options?: ErrorOptions) {
    super("closed by the broker", options);
  }
}

/** The broker or the network has stopped responding. */
export class BrokerStalledError extends Error {
  override readonly name = "BrokerStalledError";
}

/** A TLS file cannot be read or used; the message names it. */
export class TlsFileError extends Error {
  override readonly name = "TlsFileError";
}

/** Nobody can connect: it cannot listen at its address. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** Why it cannot listen, or accept, and what to do about it. */
export function describeListenFailure(cause: unknown): string {
  const { message, code } = cause as Error & { code?: string };
  if (code === "EADDRINUSE") return "the port is in use; end what listens there, or take another";
  if (code === "EACCES") return "not permitted; ports below 1024 are for root, take another";
  if (code === "EADDRNOTAVAIL") {
    return "the address is not this machine's; 0.0.0.0 listens on all it has";
  }
  return message;
}

/** The server cannot listen. */
export class HttpListenError extends Error {
  override readonly name = "HttpListenError";
  /** The cause and, behind a semicolon, what to do about it. */
  readonly reason: string;

  constructor(address: string, reason: string, options?: ErrorOptions) {
    super(`Cannot listen for HTTP on "${address}": ${reason}`, options);
    this.reason = reason;
  }
}
