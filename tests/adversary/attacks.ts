// The attacks by name, in this process or in one of its own.
import { ScriptProcess } from "../support/script_process.ts";
import * as gateway from "./gateway.ts";
import * as http from "./http_client.ts";

/** Every attack; each takes options of its own. */
export const ATTACKS = { ...gateway, ...http };

/** Its name. */
export type AttackName = keyof typeof ATTACKS;

const MAIN = new URL("main.ts", import.meta.url);
const ANSWER_MS = 60_000;

/** An attack in a process of its own, so that it takes no turn from whoever watches it. */
export class AttackProcess implements AsyncDisposable {
  readonly #process: ScriptProcess;

  private constructor(process: ScriptProcess) {
    this.#process = process;
  }

  /** Starts it, and waits until it is under way. */
  static async start<N extends AttackName>(
    name: N,
    options: Parameters<typeof ATTACKS[N]>[0],
  ): Promise<AttackProcess> {
    const process = new ScriptProcess(MAIN, [name, JSON.stringify(options)]);
    try {
      await process.line(ANSWER_MS);
    } catch (error) {
      await process[Symbol.asyncDispose]();
      throw error;
    }
    return new AttackProcess(process);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** What it has done so far. */
  async counts(): Promise<Record<string, number>> {
    return JSON.parse(await this.#process.ask({}, ANSWER_MS));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}
