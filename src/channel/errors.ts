// What is wrong with an expression, and where in it.

/** An expression cannot be compiled, or has failed for an event; the message says where in it. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
  /** Whether the event lacks what the expression asks for: with another event it may work. */
  readonly isMissing: boolean;

  constructor(message: string, { isMissing = false, ...options }: ExpressionErrorOptions = {}) {
    super(message, options);
    this.isMissing = isMissing;
  }
}

interface ExpressionErrorOptions extends ErrorOptions {
  readonly isMissing?: boolean;
}

/** A problem at a place, as `at character 5: ...`, or in a text of several lines `at line 2, ...`. */
export function textAt(expression: string, offset: number | undefined, problem: string): string {
  const line = problem.replace(/\s+/g, " ").trim();
  if (offset === undefined) return line;
  const before = expression.slice(0, offset).split("\n");
  const character = `character ${(before.at(-1)?.length ?? 0) + 1}`;
  const place = expression.includes("\n") ? `line ${before.length}, ${character}` : character;
  return `at ${place}: ${line}`;
}
