// The states of a car's session: a tagged union of readonly records [CAR-STATES].
import type { Connect, Status } from "../protocol/mod.ts";
import type { CommandStore } from "./command_order.ts";
import type { SentCommand } from "./sent_commands.ts";
import type { ConnectRate } from "./connect_rate.ts";
import type { KnownDevices } from "./known_devices.ts";
import type { Reading } from "./backpressure.ts";
import type { StatusOrder } from "./status_order.ts";

/** What outlives a session, passed on from state to state. */
export interface Base {
  /**
   * Incremented with every session, and again with its normal communication, to recognize results
   * of earlier module calls.
   */
  readonly epoch: number;
  /** Counter of the next command; no session resets it [COMMAND-COUNTER]. */
  readonly commandCounter: number;
  /** Commands of modules that have not been published yet. */
  readonly commands: CommandStore;
  /**
   * When the gateway was last told to connect again [TELL-ONCE]; `null`: never, or it has connected
   * since.
   */
  readonly toldAt: number | null;
  /** The rate limit of connect sequences. */
  readonly rate: ConnectRate;
  /** Whether the car has all its module contexts. */
  readonly modulesReady: boolean;
  /** Paused by an operator: no Connect is answered. */
  readonly paused: boolean;
}

/** Not connected to the broker. */
export interface Offline {
  readonly kind: "offline";
  readonly base: Base;
}

/** Subscribed, for as long as it takes until a gateway connects [WAIT-CONNECT]. */
export interface Waiting {
  readonly kind: "waiting";
  readonly base: Base;
  /**
   * A Connect that came while module contexts were missing, or too soon after others; held as long
   * as its gateway waits.
   */
  readonly held: { readonly connect: Connect; readonly until: number } | null;
}

/** In the connect sequence. */
export interface Connecting {
  readonly kind: "connecting";
  readonly base: Base;
  readonly sessionId: string;
  /** The gateway's name in its Connect: `company/vehicle`. */
  readonly sender: string;
  /** Devices of the Connect by identity, in its order. */
  readonly listed: KnownDevices;
  readonly devices: KnownDevices;
  readonly step: ConnectStep;
}

/** The step of the connect sequence. */
export type ConnectStep = ConnectingDevices | AwaitingStatuses | AwaitingResponses;

/** Step 1: `device_connected` was called for the devices of configured modules. */
export interface ConnectingDevices {
  readonly name: "devices";
  /** Identities of devices whose call has not returned. */
  readonly pending: KnownDevices;
  /** Statuses that came before the ConnectResponse was sent, for the next step. */
  readonly early: readonly Status[];
}

/** Step 2: one status from every listed device. */
export interface AwaitingStatuses {
  readonly name: "statuses";
  /** Identities of devices not heard yet. */
  readonly missing: KnownDevices;
  /**
   * First statuses by device: answered, and forwarded in counter order when the step ends. Some
   * clients give all of them the same counter.
   */
  readonly heard: readonly Status[];
  /** Counters of this session that were set aside: their devices were not listed. */
  readonly skipped: readonly number[];
  /** Further statuses of devices already heard, for normal communication. */
  readonly kept: readonly Status[];
  readonly since: number;
}

/** Step 3: a response to every first command. */
export interface AwaitingResponses {
  readonly name: "responses";
  /** Commands not settled yet, in counter order. */
  readonly sent: readonly SentCommand[];
  /** How many responses are still awaited. */
  readonly awaited: number;
  /** Counters of statuses that step 2 handled. */
  readonly handled: readonly number[];
  readonly kept: readonly Status[];
  readonly since: number;
}

/** In normal communication. */
export interface Running {
  readonly kind: "running";
  readonly base: Base;
  readonly sessionId: string;
  readonly sender: string;
  readonly devices: KnownDevices;
  /** Those of another process that are being connected here: statuses wait for them. */
  readonly resuming: KnownDevices;
  readonly statuses: StatusOrder;
  /** Published commands without a settled response, in counter order. */
  readonly sent: readonly SentCommand[];
  /**
   * When the gateway was last heard; starts the timer of `mqtt_timeout`. This moment, and those of
   * gaps and commands, are in the gateway's time, which stands still while it is not read.
   */
  readonly heardAt: number;
  readonly reading: Reading;
  /** Device and reason pairs that have been noted. */
  readonly noted: readonly string[];
}

/** Stopped permanently. */
export interface Stopped {
  readonly kind: "stopped";
  readonly base: Base;
}

/** The state of one car. */
export type Session = Offline | Waiting | Connecting | Running | Stopped;

/** A state in which a gateway has a session, or is about to. */
export type Established = Connecting | Running;

/** The states as operators know them [CAR-STATES]. */
export const STATE_NAMES = [
  "UNINITIALIZED",
  "CONNECTED",
  "INITIALIZED",
  "RUNNING",
  "STOPPED",
  "ERROR",
] as const;

/** See {@linkcode STATE_NAMES}. */
export type StateName = typeof STATE_NAMES[number];

/** The state as operators know it. INITIALIZED has no duration; ERROR means that contexts are missing. */
export function stateName(session: Session): StateName {
  switch (session.kind) {
    case "offline":
      return "UNINITIALIZED";
    case "waiting":
      return session.base.modulesReady ? "CONNECTED" : "ERROR";
    case "connecting":
      return "CONNECTED";
    case "running":
      return "RUNNING";
    case "stopped":
      return "STOPPED";
  }
}
