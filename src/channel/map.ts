// What is sent instead of an event: an expression in JSONata, which can loop and recurse without end, so
// its steps, its depth and the size of what it makes are limited. The limits are numbers, not times: an
// event that comes again is mapped as it was, and so it is on a slow machine.
import { ExpressionError, textAt } from "./errors.ts";
import type { EventView } from "./view.ts";

/** The JSON that is sent; undefined: nothing is. Rejects with {@linkcode ExpressionError}. */
export type MapEvent = (event: EventView) => Promise<string | undefined>;

/** Evaluated parts of an expression, for one event: some hundred milliseconds. */
const MAX_STEPS = 100_000;
/** Parts within each other, calls of functions included. */
const MAX_DEPTH = 500;
/** Members of a list. */
const MAX_ITEMS = 100_000;
/** Characters of a string, and of what is sent. */
const MAX_CHARACTERS = 1024 * 1024;

/** Called for each part of an expression, before and after it. */
const ENTRY = Symbol.for("jsonata.__evaluate_entry") as unknown as string;
const EXIT = Symbol.for("jsonata.__evaluate_exit") as unknown as string;

/**
 * Compiles an expression. The library is loaded with the first.
 *
 * @throws {ExpressionError} when it is no JSONata
 */
export async function compileMap(expression: string): Promise<MapEvent> {
  const { default: jsonata } = await import("jsonata");
  let steps = 0;
  const compiled = attempt(
    expression,
    () => jsonata(expression, { stack: MAX_DEPTH, sequence: MAX_ITEMS }),
  );
  compiled.assign(ENTRY, () => {
    if (++steps > MAX_STEPS) throw new ExpressionError(`Stopped after ${MAX_STEPS} steps`);
  });
  compiled.assign(
    EXIT,
    (_part: unknown, _input: unknown, _environment: unknown, result: unknown) => {
      if (typeof result === "string" && result.length > MAX_CHARACTERS) throw tooLarge();
      if (Array.isArray(result) && result.length > MAX_ITEMS) throw tooLarge();
    },
  );
  return async (event) => {
    steps = 0;
    let text: string | undefined;
    try {
      text = JSON.stringify(await compiled.evaluate(event), refuseFunctions);
    } catch (error) {
      throw jsonataError(expression, error);
    }
    if (text !== undefined && text.length > MAX_CHARACTERS) throw tooLarge();
    return text;
  };
}

function tooLarge(): ExpressionError {
  return new ExpressionError(
    `Stopped: what it makes has more than ${MAX_CHARACTERS} characters or ${MAX_ITEMS} items`,
  );
}

/** Functions of JSONata are objects. */
function refuseFunctions(_key: string, value: unknown): unknown {
  const isFunction = typeof value === "function" ||
    (typeof value === "object" && value !== null &&
      ("_jsonata_function" in value || "_jsonata_lambda" in value));
  if (isFunction) throw new ExpressionError("Expected a value: found a function");
  return value;
}

function attempt<T>(expression: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw jsonataError(expression, error);
  }
}

/** JSONata throws plain objects; their positions are behind what they mean. */
function jsonataError(expression: string, error: unknown): ExpressionError {
  if (error instanceof ExpressionError) return error;
  const { message, position, token } = error as {
    readonly message?: string;
    readonly position?: number;
    readonly token?: unknown;
  };
  const length = typeof token === "string" && token !== "(end)" ? token.length : 0;
  const offset = position === undefined ? undefined : Math.max(0, position - length);
  return new ExpressionError(textAt(expression, offset, message ?? String(error)), {
    cause: error,
  });
}
