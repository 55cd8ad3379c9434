// What can be wrong with bytes from the wire.

/** A payload is not a message of the protocol. */
export class MalformedMessageError extends Error {
  override readonly name = "MalformedMessageError";
}
