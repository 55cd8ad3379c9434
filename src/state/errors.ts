// Errors of the state directory.

/** What was kept cannot be used; the message says where and what to do. */
export class StateError extends Error {
  override readonly name = "StateError";
  /** The file or directory. */
  readonly path: string;

  constructor(path: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}
