// Errors of simulated gateways.

/** The server or the broker did not send something in time. */
export class GatewayTimeoutError extends Error {
  override readonly name = "GatewayTimeoutError";
}

/** A status will not be answered any more: its session ended. */
export class StatusUnansweredError extends Error {
  override readonly name = "StatusUnansweredError";
}

/** The gateway cannot do that in its current state. */
export class GatewayStateError extends Error {
  override readonly name = "GatewayStateError";
}
