// Narrates what cars do as it happens, for someone who has never seen the protocol.
import type { Turn, TurnSubscriber } from "../../car/mod.ts";
import type { GatewayTurn } from "../../module_gateway/mod.ts";
import type { Effect } from "../../session/mod.ts";
import { type Command, type Device, DeviceState, type Status } from "../../protocol/mod.ts";
import type { Clock } from "../../time/mod.ts";
import type { Output } from "../../text/mod.ts";

/** Totals for the summary. */
export interface DemoCounts {
  readonly statuses: number;
  readonly commands: number;
  readonly acknowledged: number;
}

/** Longer strings are cut, in characters. */
const MAX_DATA = 48;

/** Statuses that are reported again: nothing has happened. */
const QUIET: ReadonlySet<string> = new Set(["forced", "timer"]);

/** Turns effects of sessions and gateways into lines such as `0.52 s  car_1  status of "led" ...`. */
export class DemoNarrator implements TurnSubscriber {
  readonly #output: Output;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #listeners = new Map<string, PromiseWithResolvers<void>>();
  #statuses = 0;
  #commands = 0;
  #acknowledged = 0;

  constructor(output: Output, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  get counts(): DemoCounts {
    return {
      statuses: this.#statuses,
      commands: this.#commands,
      acknowledged: this.#acknowledged,
    };
  }

  /** Resolves when the server listens for all these cars. */
  async listening(cars: readonly string[]): Promise<void> {
    for (const car of cars) await this.#listening(car).promise;
  }

  /** See {@linkcode TurnSubscriber}. */
  onTurn({ car, at, after, effects }: Turn): void {
    if (after.kind === "waiting") this.#listening(car).resolve();
    for (const effect of effects) this.#tell(car, effect, at);
  }

  /** What a car's gateway does with statuses and commands. */
  onGatewayTurn(car: string, turn: GatewayTurn): void {
    if (turn.kind !== "device") return;
    const { input, effects } = turn;
    if (input.type === "command" && !effects.some(({ type }) => type === "dropped")) {
      this.tell(car, `gateway keeps the command until ${named(input.device)} asks`);
    }
    for (const effect of effects) {
      if (effect.type !== "report" || QUIET.has(effect.why)) continue;
      this.tell(car, `gateway reports ${named(effect.device)} to the cloud: ${shown(effect.data)}`);
    }
  }

  /** One line about a car. */
  tell(car: string, text: string): void {
    const seconds = ((this.#clock.now() - this.#startedAt) / 1000).toFixed(2).padStart(6);
    this.#output.out(`${seconds} s  ${car.padEnd(6)}  ${text}`);
  }

  #tell(car: string, effect: Effect, at: number): void {
    switch (effect.type) {
      case "publish":
        if (effect.answers !== undefined) {
          this.#tellAnswered(car, effect.answers, at);
        } else if (effect.message.kind === "command") {
          this.#tellCommand(car, effect.message);
        }
        return;
      case "acknowledge":
        this.#acknowledged++;
        return this.tell(
          car,
          `${named(effect.command.device)} has the command; acknowledged to the module`,
        );
      case "note":
        if (effect.note.code === "running") {
          const { connected } = effect.note;
          const devices = `${connected} device${connected === 1 ? "" : "s"}`;
          this.tell(car, `connected: ${devices}, statuses can flow`);
        } else if (effect.note.code === "device_connected") {
          this.tell(car, `${named(effect.note.device)} is connected, the module knows it`);
        }
        return;
      case "ended":
        return this.tell(car, `session ended: ${effect.failure.detail.toLowerCase()}`);
    }
  }

  #listening(car: string): PromiseWithResolvers<void> {
    const known = this.#listeners.get(car);
    if (known !== undefined) return known;
    const listening = Promise.withResolvers<void>();
    this.#listeners.set(car, listening);
    return listening;
  }

  #tellAnswered(car: string, status: Status, at: number): void {
    // First statuses only complete the connect sequence.
    if (status.deviceState === DeviceState.CONNECTING) return;
    this.#statuses++;
    const { device, statusData, receivedAt = at } = status;
    const tookMs = (at - receivedAt).toFixed(1);
    const text = shown(statusData);
    this.tell(car, `status of ${named(device)} forwarded to the module in ${tookMs} ms: ${text}`);
  }

  #tellCommand(car: string, { device, commandData }: Command): void {
    // Empty ones only complete the connect sequence.
    if (commandData.length === 0) return;
    this.#commands++;
    this.tell(car, `command for ${named(device)} sent: ${shown(commandData)}`);
  }
}

function named(device: Device): string {
  return `"${device.deviceName || device.deviceRole}"`;
}

function shown(data: Uint8Array): string {
  const text = new TextDecoder().decode(data);
  return text.length > MAX_DATA ? `${text.slice(0, MAX_DATA)}...` : text;
}
