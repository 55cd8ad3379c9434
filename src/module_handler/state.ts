// A device of a gateway as the module handler knows it: a value.
import type { GatewayCall } from "../module/mod.ts";
import type { Device } from "../protocol/mod.ts";
import type { HandlerSettings } from "./settings.ts";

/** Passed along with every input. */
export interface Environment {
  /** Milliseconds; any clock that does not go back. */
  readonly now: number;
  readonly settings: HandlerSettings;
}

/** What is to be done for a device, one after the other: modules are asked for most of it. */
export type Job =
  | { readonly kind: "connect"; readonly device: Device; readonly request: number }
  | {
    readonly kind: "status";
    readonly device: Device;
    readonly request: number;
    readonly data: Uint8Array;
  }
  | { readonly kind: "disconnect"; readonly device: Device }
  | { readonly kind: "command"; readonly device: Device; readonly data: Uint8Array };

/** What the module was asked last: its answer says how the job goes on. */
export type Stage = Exclude<GatewayCall["name"], "aggregate_error">;

/** The job that waits for its module. */
export interface ActiveJob {
  readonly job: Job;
  readonly stage: Stage;
  /** The number of the call. */
  readonly call: number;
  /** Whether the status goes to the cloud. */
  readonly reports: "first" | "condition" | null;
}

/** What the last status left behind; a device has it from its first status until it goes. */
export interface Aggregate {
  /** As the last status described it. */
  readonly device: Device;
  /** What the cloud is told next; newer than what it was told, or the same. */
  readonly status: Uint8Array;
  /** What a status is answered with when no command waits. */
  readonly command: Uint8Array;
  /** Commands of the cloud, oldest first. */
  readonly commands: readonly Uint8Array[];
  /** When the cloud was told, or would have been. */
  readonly reportedAt: number;
  /** Reports since the last status of the device. */
  readonly silentReports: number;
}

/** The state of one device. */
export interface DeviceState {
  readonly aggregate: Aggregate | null;
  /** Whether devices of this type are sent commands at once; null: the module was not asked. */
  readonly forwards: boolean | null;
  readonly active: ActiveJob | null;
  /** Oldest first. */
  readonly jobs: readonly Job[];
  /** Of the jobs that wait. */
  readonly jobBytes: number;
  readonly nextCall: number;
}

/** A device nothing is known of. */
export function createDevice(): DeviceState {
  return { aggregate: null, forwards: null, active: null, jobs: [], jobBytes: 0, nextCall: 1 };
}

/** Whether nothing is known of it and nothing is to be done: its state need not be kept. */
export function isForgotten({ aggregate, active, jobs }: DeviceState): boolean {
  return aggregate === null && active === null && jobs.length === 0;
}

/** Bytes of data a job holds. */
export function sizeOf(job: Job): number {
  return "data" in job ? job.data.length : 0;
}

/** Bytes of data all jobs of a device hold, the one that waits for its module included. */
export function heldBytes({ active, jobBytes }: DeviceState): number {
  return jobBytes + (active === null ? 0 : sizeOf(active.job));
}
