// What goes into a simulated gateway's session, and what comes out of it.
import type { ClientMessage, Command, Device } from "../protocol/messages.ts";
import type { Misbehavior } from "./misbehavior.ts";
import type { GatewayStats } from "./stats.ts";

/** The gateway's own clocks (protocol section 4.5), in milliseconds. */
export interface GatewayClocks {
  /** For each message of the connect sequence. */
  readonly sequenceMs: number;
  /** For the response to a status. */
  readonly responseMs: number;
  /** Between a failure and the next attempt. */
  readonly retryMs: number;
  /** The longest silence of a device. */
  readonly keepAliveMs: number;
}

/** What the real gateway's clocks are. */
export const GATEWAY_CLOCKS: GatewayClocks = {
  sequenceMs: 5_000,
  responseMs: 30_000,
  retryMs: 10_000,
  keepAliveMs: 15_000,
};

/** Which commands are answered without being asked: all, those of the connect sequence, none. */
export type AnswerPolicy = "always" | "connecting" | "never";

/** Statuses that are sent without being asked, beside the first ones of a session. */
export interface StatusLoad {
  /** Statuses a second, over all devices; 0: as fast as the window allows. */
  readonly rate: number;
  /** No further status is sent while so many are unanswered. */
  readonly window: number;
}

/** Everything a session is made from. */
export interface SessionOptions {
  readonly company: string;
  readonly car: string;
  /** At the start; {@linkcode GatewayLife.connectDevice} adds more. */
  readonly devices: readonly Device[];
  readonly clocks: GatewayClocks;
  /** Absent: only what the keep-alive and the caller send. */
  readonly load?: StatusLoad | undefined;
  /** The data of the statuses sent without being asked. */
  readonly payload: (device: Device, counter: number) => Uint8Array;
  /** Goes with every status sent without being asked; empty: none. */
  readonly errorMessage: Uint8Array;
  readonly answers: AnswerPolicy;
  /** The type of the answer to a command; absent: what the devices' state says. */
  readonly answerType?: ((command: Command) => number) | undefined;
  readonly misbehavior: Misbehavior;
  /** A new session, as after a restart of the gateway, so often; 0: never. */
  readonly reconnectEveryMs: number;
  readonly seed: number;
  readonly stats: GatewayStats;
  /** Names a new session. */
  readonly newSessionId: () => string;
}

/**
 * Where a session stands.
 *
 * `stopped`; `idle`: no device is connected, so there is nothing to connect for; `linking`: the
 * broker; `connecting`, `statuses`, `commands`: the connect sequence (section 4.2); `running`:
 * normal communication (section 4.3); `waiting`: for the next attempt after a failure.
 */
export type Phase = RestPhase | SessionPhase;

/** The phases without a session. */
export type RestPhase = "stopped" | "idle" | "linking" | "waiting";

/** The phases of a session. */
export type SessionPhase = "connecting" | "statuses" | "commands" | "running";

/** Why a session ended. */
export type EndReason =
  | "notified"
  | "connect_unanswered"
  | "already_logged"
  | "first_status_unanswered"
  | "first_command_missing"
  | "status_unanswered"
  | "violation"
  | "link_lost"
  | "restarted"
  | "link_dropped"
  | "stopped";

/** A rule of the protocol the server has broken. */
export type ViolationKind =
  | "malformed"
  | "unexpected_connect_response"
  | "unexpected_status_response"
  | "unexpected_command"
  | "command_counter";

/** One broken rule, with all that helps to find out why. */
export interface Violation {
  readonly car: string;
  readonly kind: ViolationKind;
  readonly sessionId: string;
  readonly phase: Phase;
  /** In words, with the values. */
  readonly detail: string;
  /** On the clock the session is driven with, in milliseconds. */
  readonly at: number;
}

/** What a session tells its driver beside its messages; none of it happens per status. */
export type GatewayEvent =
  | { readonly kind: "phase"; readonly phase: Phase }
  | { readonly kind: "running"; readonly sessionId: string }
  | {
    readonly kind: "ended";
    readonly sessionId: string;
    readonly reason: EndReason;
    readonly detail: string;
    /** Whether the session had reached normal communication. */
    readonly hadRun: boolean;
  }
  | { readonly kind: "violation"; readonly violation: Violation }
  | { readonly kind: "notified" }
  | { readonly kind: "command"; readonly command: Command }
  | { readonly kind: "drained" };

/** What a session does to the world. None of these may throw, or call the session. */
export interface GatewayPort {
  /** Connects to the broker and subscribes; `linkUp` or `linkDown` of the session follows. */
  openLink(): void;
  /** Leaves the broker; no `linkDown` follows. */
  closeLink(): void;
  /** Publishes one message, so many times. */
  send(message: ClientMessage, times: number): void;
  onEvent(event: GatewayEvent): void;
}

/** What a caller may say about one status. */
export interface StatusExtras {
  /** @default {DeviceState.RUNNING} */
  readonly state?: number;
  /** @default {none} */
  readonly errorMessage?: Uint8Array;
  /** Called once, with the answer or the reason why there is none. */
  readonly done?: (result: StatusResult) => void;
}

/** What became of a status that somebody waits for. */
export type StatusResult =
  | { readonly answered: true; readonly counter: number; readonly latencyMs: number }
  | { readonly answered: false; readonly counter: number; readonly reason: EndReason };
