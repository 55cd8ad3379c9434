// Why a gateway cannot start, or take another configuration.
import { ModuleHostError, ModuleLoadError } from "../../module/mod.ts";
import { HttpListenError, ListenError, TlsFileError } from "../../net/mod.ts";

/** Errors whose message is sufficient without a stack. */
const EXPECTED = [HttpListenError, ListenError, ModuleHostError, ModuleLoadError, TlsFileError];

/** One line per reason; undefined when the error is a defect. */
export function gatewayProblems(error: unknown): readonly string[] | undefined {
  if (error instanceof AggregateError) {
    const all = error.errors.map(gatewayProblems);
    return all.every((one) => one !== undefined) ? all.flat() : undefined;
  }
  const expected = EXPECTED.some((type) => error instanceof type);
  return expected ? [(error as Error).message] : undefined;
}
