// The module handler for one device, as one pure transition function: an input and the time go in,
// the next state and a list of effects come out. What a device wants is done in the order in which
// it came; as every device has a queue of its own, a slow call delays nobody else [HANDLER-ORDER].
import { beginCommand, onCommandReturn } from "./commands.ts";
import { beginConnect, disconnect, onConnectReturn } from "./connections.ts";
import type { CallResult, Effect, Input } from "./inputs.ts";
import { beginStatus, onStatusReturn, onTimer, report } from "./statuses.ts";
import { type ActiveJob, type DeviceState, type Environment, type Job, sizeOf } from "./state.ts";

export interface Step {
  readonly state: DeviceState;
  /** To be carried out in this order. */
  readonly effects: readonly Effect[];
}

/** Takes one input; every input is allowed in every state. Never throws. */
export function step(state: DeviceState, input: Input, environment: Environment): Step {
  const effects: Effect[] = [];
  const next = transition(state, input, environment, effects);
  return { state: work(next, environment, effects), effects };
}

/** When the device needs a `tick` at the latest; Infinity when it waits only for inputs. */
export function nextDeadline({ aggregate }: DeviceState, { settings }: Environment): number {
  return aggregate === null ? Infinity : aggregate.reportedAt + settings.reportMs;
}

function transition(
  state: DeviceState,
  input: Input,
  environment: Environment,
  effects: Effect[],
): DeviceState {
  switch (input.type) {
    case "connected": {
      const { device, request } = input;
      return enqueue(state, { kind: "connect", device, request }, environment, effects);
    }
    case "status": {
      const { device, request, data } = input;
      return enqueue(state, { kind: "status", device, request, data }, environment, effects);
    }
    case "disconnected":
      return enqueue(state, { kind: "disconnect", device: input.device }, environment, effects);
    case "command": {
      const { device, data } = input;
      return enqueue(state, { kind: "command", device, data }, environment, effects);
    }
    case "returned":
      return state.active?.call === input.id
        ? onReturn(state, state.active, input.outcome, environment, effects)
        : state;
    case "force":
      return state.aggregate === null ? state : report(state, "forced", effects);
    case "tick":
      return onTimer(state, environment, effects);
  }
}

/** Puts a job at the end; with too many, the oldest that may be dropped makes room. */
function enqueue(
  state: DeviceState,
  job: Job,
  { settings: { maxJobs, maxJobBytes } }: Environment,
  effects: Effect[],
): DeviceState {
  // One that has gone cannot go again: so the number of these is bounded, too.
  if (job.kind === "disconnect" && state.jobs.at(-1)?.kind === "disconnect") return state;
  let jobs = [...state.jobs, job];
  let jobBytes = state.jobBytes + sizeOf(job);
  while (jobs.length > maxJobs || jobBytes > maxJobBytes) {
    const at = jobs.findIndex(({ kind }) => kind !== "disconnect");
    const oldest = jobs[at];
    if (oldest === undefined || oldest.kind === "disconnect") break;
    jobs = withoutDouble(jobs.toSpliced(at, 1));
    jobBytes -= sizeOf(oldest);
    const { kind: what, device } = oldest;
    const detail = `more than ${maxJobs} jobs or ${maxJobBytes} bytes wait for module ` +
      `${device.module}: the oldest made room`;
    effects.push({ type: "dropped", what, device, reason: "queue_full", detail });
  }
  return { ...state, jobs, jobBytes };
}

/** Without a disconnect that follows another one. */
function withoutDouble(jobs: readonly Job[]): Job[] {
  return jobs.filter(({ kind }, index) =>
    kind !== "disconnect" || jobs[index - 1]?.kind !== "disconnect"
  );
}

/** Begins jobs until one waits for its module. */
function work(state: DeviceState, environment: Environment, effects: Effect[]): DeviceState {
  let next = state;
  while (next.active === null) {
    const [job, ...jobs] = next.jobs;
    if (job === undefined) return next;
    next = { ...next, jobs, jobBytes: next.jobBytes - sizeOf(job) };
    next = begin(next, job, environment, effects);
  }
  return next;
}

function begin(
  state: DeviceState,
  job: Job,
  environment: Environment,
  effects: Effect[],
): DeviceState {
  switch (job.kind) {
    case "connect":
      return beginConnect(state, job, environment, effects);
    case "status":
      return beginStatus(state, job, environment, effects);
    case "command":
      return beginCommand(state, job, effects);
    case "disconnect":
      return disconnect(state, job, effects);
  }
}

function onReturn(
  state: DeviceState,
  active: ActiveJob,
  outcome: CallResult,
  environment: Environment,
  effects: Effect[],
): DeviceState {
  const { job } = active;
  switch (job.kind) {
    case "connect":
      return onConnectReturn(state, job, outcome, effects);
    case "status":
      return onStatusReturn(state, { ...active, job }, outcome, environment, effects);
    case "command":
      return onCommandReturn(state, { ...active, job }, outcome, environment, effects);
    case "disconnect":
      return state;
  }
}
