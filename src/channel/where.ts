// Conditions in CEL, the Common Expression Language. It has no loops but over lists.
import type { EvaluationError } from "@marcbachmann/cel-js";
import { describeKind } from "../text/mod.ts";
import { ExpressionError, textAt } from "./errors.ts";
import { type EventView, VIEW_NAMES } from "./view.ts";

/** Whether a channel takes an event. Throws {@linkcode ExpressionError}. */
export type Where = (event: EventView) => boolean;

/**
 * Compiles a condition. The library is loaded with the first.
 *
 * @throws {ExpressionError} when it is no CEL, or uses names and functions that there are not
 */
export async function compileWhere(expression: string): Promise<Where> {
  const { Environment } = await import("@marcbachmann/cel-js");
  const environment = new Environment();
  for (const name of VIEW_NAMES) environment.registerVariable(name, TYPES[name] ?? "dyn");
  let evaluate: ReturnType<typeof environment.parse>;
  try {
    evaluate = environment.parse(expression);
    const { valid, error, type } = evaluate.check();
    if (!valid) throw error;
    if (type !== "bool" && type !== "dyn") {
      throw new ExpressionError(`Expected true or false: found a value of the type ${type}`);
    }
  } catch (error) {
    throw celError(expression, error);
  }
  return (event) => {
    let result: unknown;
    try {
      result = evaluate({ ...event, decoded: event.decoded ?? null });
    } catch (error) {
      throw celError(expression, error);
    }
    if (typeof result === "boolean") return result;
    throw new ExpressionError(`Expected true or false: found ${describeKind(result)}`);
  };
}

/** What cannot be missing; the others may be null. */
const TYPES: Readonly<Record<string, string>> = { id: "string", at: "string", kind: "string" };

function celError(expression: string, error: unknown): ExpressionError {
  if (error instanceof ExpressionError) return error;
  const { summary, range, code, message } = error as Partial<EvaluationError> & Error;
  const isMissing = code === "no_such_key" || /^No such (?:key|field)/.test(summary ?? "");
  const text = textAt(expression, range?.start, summary ?? message);
  return new ExpressionError(text, { cause: error, isMissing });
}
