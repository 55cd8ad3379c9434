// What a test or a command that drives simulated gateways can run into.

/** Something that was awaited from the server or the broker did not come in time. */
export class GatewayTimeoutError extends Error {
  override readonly name = "GatewayTimeoutError";
}

/** A status will not be answered any more: its session ended. */
export class StatusUnansweredError extends Error {
  override readonly name = "StatusUnansweredError";
}

/** The gateway was asked for something it cannot do as it stands. */
export class GatewayStateError extends Error {
  override readonly name = "GatewayStateError";
}

/** The server said something else than the script expects. */
export class UnexpectedMessageError extends Error {
  override readonly name = "UnexpectedMessageError";
}

/** The broker cannot be reached, or refuses. */
export class GatewayLinkError extends Error {
  override readonly name = "GatewayLinkError";
}
