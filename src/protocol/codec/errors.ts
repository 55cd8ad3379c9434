// Errors of decoding.

/** A payload is not a message of the protocol. */
export class MalformedMessageError extends Error {
  override readonly name = "MalformedMessageError";
}
