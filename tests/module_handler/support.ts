// A device of the module handler that a test steps, and a module that says what it is told to.
import {
  createDevice,
  type DeviceState,
  type Effect,
  HANDLER_SETTINGS,
  type HandlerSettings,
  type Input,
  nextDeadline,
  step,
} from "../../src/module_handler/mod.ts";
import type { GatewayCall, GatewayReturn } from "../../src/module/mod.ts";
import { NO_BYTES } from "../../src/protocol/mod.ts";
import { BUTTON, bytes, text } from "../internal_server/support.ts";

export { BUTTON, bytes, LAMP, text } from "../internal_server/support.ts";

/** What a module does; `null` or an absent function: what {@linkcode plainReturn} says. */
export type Script = Partial<Record<GatewayCall["name"], number | string | Error>>;

/** A module that joins what it is given, and finds everything valid and worth telling. */
export function plainReturn(call: GatewayCall): GatewayReturn {
  const made = (data: string) => ({ code: 0, data: bytes(data) });
  switch (call.name) {
    case "generate_first_command":
      return made("default");
    case "aggregate_status":
      return made(`${text(call.current)}+${text(call.fresh)}`);
    case "generate_command":
      return made(`<${text(call.command)} for ${text(call.fresh)} at ${text(call.current)}>`);
    case "aggregate_error":
      return made(`${call.message === null ? "" : `${text(call.message)}, `}${text(call.status)}`);
    case "forward_command_on_receive":
      return { code: -1, data: NO_BYTES };
    default:
      return { code: 0, data: NO_BYTES };
  }
}

/** What a scripted module returns: a code, what it makes, or why it does not return. */
export function scripted(script: Script, call: GatewayCall): GatewayReturn | { failure: string } {
  const said = script[call.name];
  if (said instanceof Error) return { failure: said.message };
  if (typeof said === "number") return { code: said, data: NO_BYTES };
  return said === undefined ? plainReturn(call) : { code: 0, data: bytes(said) };
}

/** One device, and its module. */
export class CoreDevice {
  state: DeviceState = createDevice();
  now = 1_000_000;
  readonly settings: HandlerSettings;
  /** What the module says from now on. */
  script: Script = {};
  /** Whether the module answers at once. */
  answers = true;
  readonly calls: GatewayCall[] = [];
  #request = 0;

  constructor(settings: Partial<HandlerSettings> = {}) {
    this.settings = { modules: [BUTTON.module], ...HANDLER_SETTINGS, ...settings };
  }

  /** Takes an input, and what its module says; returns the other effects in short. */
  take(input: Input): string[] {
    const { state, effects } = step(this.state, input, this);
    this.state = state;
    return effects.flatMap((effect) => {
      if (effect.type !== "call") return [short(effect)];
      this.calls.push(effect.call);
      return this.answers ? this.answer() : [];
    });
  }

  /** The module answers its open call. */
  answer(): string[] {
    const id = this.state.active?.call ?? 0;
    const call = this.calls.at(-1);
    return call === undefined
      ? []
      : this.take({ type: "returned", id, outcome: scripted(this.script, call) });
  }

  connect(device = BUTTON): string[] {
    return this.take({ type: "connected", device, request: ++this.#request });
  }

  status(data: string, device = BUTTON): string[] {
    return this.take({ type: "status", device, request: ++this.#request, data: bytes(data) });
  }

  command(data: string, device = BUTTON): string[] {
    return this.take({ type: "command", device, data: bytes(data) });
  }

  disconnect(device = BUTTON): string[] {
    return this.take({ type: "disconnected", device });
  }

  /** Time passes, with a tick at each deadline on the way. */
  pass(ms: number): string[] {
    const until = this.now + ms;
    const effects: string[] = [];
    for (let due = nextDeadline(this.state, this); due <= until;) {
      this.now = due;
      effects.push(...this.take({ type: "tick" }));
      due = nextDeadline(this.state, this);
    }
    this.now = until;
    return effects;
  }

  /** Names of the calls since the last look. */
  called(): string[] {
    return this.calls.splice(0).map(({ name }) => name);
  }
}

/** An effect in short, as in `report condition a+b`. */
export function short(effect: Exclude<Effect, { readonly type: "call" }>): string {
  switch (effect.type) {
    case "answer_connect":
      return `response ${effect.responseType}`;
    case "answer_status":
      return `answer ${text(effect.command)}`;
    case "push":
      return `push ${text(effect.command)}`;
    case "report":
      return `report ${effect.why} ${text(effect.data)}`;
    case "dead":
      return "dead";
    case "dropped":
      return `dropped ${effect.what} ${effect.reason}`;
    case "call_failed":
      return `failed ${effect.detail}`;
  }
}
