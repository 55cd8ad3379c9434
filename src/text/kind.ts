// Kinds are names of parts with dots between them, such as status.accepted.

/** Whether a kind is one that is named, or begins with it. */
export function isOfKind(kind: string, named: string): boolean {
  return kind === named || kind.startsWith(`${named}.`);
}
