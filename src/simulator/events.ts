// Events of a simulated gateway, apart from its messages.
import type { EndReason, Phase, ViolationKind } from "../gateway/mod.ts";
import type { Command } from "../protocol/mod.ts";

/** A rule of the protocol that the server has broken, with details. */
export interface Violation {
  readonly car: string;
  readonly kind: ViolationKind;
  readonly sessionId: string;
  readonly phase: Phase;
  /** Human-readable, with the values. */
  readonly detail: string;
  /** On the gateway's clock, in milliseconds. */
  readonly at: number;
}

/** What happens to a gateway. */
export type GatewayEvent =
  | { readonly kind: "running"; readonly sessionId: string }
  | {
    readonly kind: "ended";
    readonly sessionId: string;
    readonly reason: EndReason;
    readonly detail: string;
    /** Whether the session had reached normal communication. */
    readonly hadRun: boolean;
  }
  /** A broker connection failed or was lost. */
  | { readonly kind: "link_failed"; readonly detail: string }
  | { readonly kind: "violation"; readonly violation: Violation }
  | { readonly kind: "notified" }
  | { readonly kind: "command"; readonly command: Command }
  | { readonly kind: "drained" };

/** How a session ended. */
export type SessionEnd = Extract<GatewayEvent, { kind: "ended" }>;

/** A status that was answered. */
export interface AnsweredStatus {
  readonly counter: number;
  /** From sending the status to receiving the response, in milliseconds. */
  readonly latencyMs: number;
}

/** The result of a status that a caller waits for. */
export type StatusResult =
  | ({ readonly answered: true } & AnsweredStatus)
  | { readonly answered: false; readonly reason: string };

/** What a caller may say about one status. */
export interface StatusExtras {
  /** @default {what the device's life says: CONNECTING at first, then RUNNING} */
  readonly state?: number;
  /** @default {none} */
  readonly errorMessage?: Uint8Array;
  /** Called once, with the answer or the reason why there is none. */
  readonly done?: (result: StatusResult) => void;
}
