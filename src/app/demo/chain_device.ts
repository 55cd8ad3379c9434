// A button or an LED of a demo's car, with the Internal Client.
import { InternalClient } from "../../internal_client/mod.ts";
import { BUTTON_TYPE, EXAMPLE_MODULE } from "../../simulator/mod.ts";
import { every, systemClock } from "../../time/mod.ts";
import type { DemoNarrator } from "./narrator.ts";

/** A button is pressed or released so often, in milliseconds: slow enough to follow. */
const PRESS_MS = 3_000;
/** When the first one is pressed, in milliseconds. */
const FIRST_PRESS_MS = 500;
/** An LED asks for commands so often, in milliseconds. */
const ASK_MS = 500;

/** What a {@linkcode ChainDevice} is made from. */
export interface ChainDeviceOptions {
  readonly car: string;
  readonly type: number;
  /** Where its gateway listens. */
  readonly port: number;
  /** From 0 up to 1: where its presses lie between those of others. */
  readonly phase: number;
  readonly narrator: DemoNarrator;
}

export class ChainDevice {
  readonly counts = { answered: 0, unanswered: 0, slowestMs: 0 };
  readonly #options: ChainDeviceOptions;
  readonly #isButton: boolean;
  #client: InternalClient | undefined;
  #on = false;
  #speaking: Promise<void> = Promise.resolve();
  #stopTimer = () => {};
  #stopped = false;

  constructor(options: ChainDeviceOptions) {
    this.#options = options;
    this.#isButton = options.type === BUTTON_TYPE;
  }

  get #name(): string {
    return this.#isButton ? "button" : "led";
  }

  /** @throws {InternalClientError} when the gateway cannot be reached, or refuses the device */
  async start(): Promise<void> {
    const { port, type, phase } = this.#options;
    this.#client = await InternalClient.connect({
      port,
      module: EXAMPLE_MODULE,
      type,
      role: "front",
      name: this.#name,
      reconnect: "forever",
    });
    await this.#speak();
    if (!this.#isButton) return this.#repeat(ASK_MS);
    // The first press comes soon, those of other cars a little later.
    const timer = systemClock.set(() => {
      this.#onDue();
      this.#repeat(PRESS_MS);
    }, FIRST_PRESS_MS + phase * PRESS_MS);
    this.#stopTimer = () => systemClock.clear(timer);
  }

  /** Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTimer();
    await this.#client?.close();
    await this.#speaking;
  }

  #repeat(everyMs: number): void {
    this.#stopTimer = every(everyMs, () => this.#onDue());
  }

  #onDue(): void {
    if (this.#isButton) this.#on = !this.#on;
    this.#speaking = this.#speaking.then(() => this.#speak());
  }

  /** Reports its state, and does what the answer says. */
  async #speak(): Promise<void> {
    const status = JSON.stringify(this.#isButton ? { pressed: this.#on } : { lit: this.#on });
    const { car, narrator } = this.#options;
    try {
      if (this.#isButton) narrator.tell(car, `"button" tells its gateway: ${status}`);
      const before = systemClock.now();
      const command = await this.#client?.sendStatus(status) ?? new Uint8Array();
      this.counts.answered++;
      this.counts.slowestMs = Math.max(this.counts.slowestMs, systemClock.now() - before);
      if (!this.#isButton) await this.#obey(command);
    } catch (error) {
      if (this.#stopped) return;
      this.counts.unanswered++;
      narrator.tell(car, `"${this.#name}" has no answer: ${(error as Error).message}`);
    }
  }

  async #obey(command: Uint8Array): Promise<void> {
    if (command.length === 0) return;
    const { lit } = JSON.parse(new TextDecoder().decode(command));
    if (typeof lit !== "boolean" || lit === this.#on) return;
    this.#on = lit;
    this.#options.narrator.tell(this.#options.car, `"led" is ${lit ? "lit" : "put out"}`);
    await this.#speak();
  }
}
