// A turn: one step of one of a gateway's cores, as subscribers see it.
import type {
  Effect as SessionEffect,
  GatewayState,
  Input as SessionInput,
} from "../gateway/mod.ts";
import type {
  DeviceState,
  Effect as DeviceEffect,
  ErrorEffect,
  ErrorInput,
  ErrorState,
  Input as DeviceInput,
} from "../module_handler/mod.ts";

interface Step<Input, State, Effect> {
  /** When the input came, in milliseconds of the gateway's clock. */
  readonly at: number;
  readonly input: Input;
  readonly before: State;
  readonly after: State;
  /** In the order in which they were carried out. */
  readonly effects: readonly Effect[];
}

/** A device came, went, reported, got a command, or its module answered. */
export interface DeviceTurn extends Step<DeviceInput, DeviceState, DeviceEffect> {
  readonly kind: "device";
  /** `module/type/role`. */
  readonly device: string;
}

/** Something happened between the gateway and the cloud. */
export interface SessionTurn extends Step<SessionInput, GatewayState, SessionEffect> {
  readonly kind: "session";
  readonly endpoint: string;
}

/** A status that could not be sent is folded into an error message, or the cloud has it. */
export interface ErrorTurn extends Step<ErrorInput, ErrorState, ErrorEffect> {
  readonly kind: "errors";
  readonly endpoint: string;
  /** `module/type/role`. */
  readonly device: string;
}

/** A plain value. */
export type GatewayTurn = DeviceTurn | SessionTurn | ErrorTurn;

/**
 * A subscriber: gets every turn in order, after its effects were carried out. Errors that it throws
 * are logged and have no other effect.
 */
export interface GatewayTurnSubscriber {
  onTurn(turn: GatewayTurn): void;
}
