// `drain`: has a server hand all its cars over to the others of its cluster, and waits for that.
import { askMembers, callServer, RunningServerError } from "../http/mod.ts";
import { describeFileError, type Output, quote, readText, secretOf } from "../text/mod.ts";
import { type Clock, sleep, systemClock } from "../time/mod.ts";

export interface DrainOptions {
  /** Of the instance. */
  readonly url: string;
  /** A file with a key of the API, of scope admin. */
  readonly apiKeyFile?: string | undefined;
  /** How long others have to take all cars, in seconds. */
  readonly seconds: number;
}

/** How often the instance is asked what it still has, in milliseconds. */
const ASK_MS = 200;

/** @returns the exit status: 0 when others have all its cars, else 1 */
export async function runDrain(
  options: DrainOptions,
  output: Output,
  clock: Clock = systemClock,
): Promise<number> {
  try {
    const left = await drain(options, clock);
    if (left === 0) {
      output.out("Drained: other instances have all its cars", "ok");
      return 0;
    }
    const { seconds } = options;
    output.err(`Not drained: ${left} cars were not taken within ${seconds} s`, "failed");
  } catch (error) {
    if (!(error instanceof RunningServerError)) throw error;
    output.err(error.message, "failed");
  }
  return 1;
}

/** Resolves with the number of cars that nobody has taken. */
async function drain({ url, apiKeyFile, seconds }: DrainOptions, clock: Clock): Promise<number> {
  const apiKey = apiKeyFile === undefined ? undefined : await keyIn(apiKeyFile);
  const until = clock.now() + seconds * 1000;
  const { self } = await askMembers(url, apiKey);
  await callServer(url, "cluster.drain", { params: { instance: self }, apiKey });
  for (;;) {
    const { members } = await askMembers(url, apiKey);
    const left = members.find(({ id }) => id === self)?.cars ?? 0;
    if (left === 0 || clock.now() >= until) return left;
    await sleep(ASK_MS, clock);
  }
}

/** @throws {RunningServerError} when the file cannot be read. */
export async function keyIn(file: string): Promise<string> {
  try {
    return secretOf(await readText(file));
  } catch (error) {
    const message = `Cannot read ${quote(file)}: ${describeFileError(error)}`;
    throw new RunningServerError(message, { cause: error });
  }
}
