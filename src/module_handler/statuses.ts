// Statuses of a device: aggregated by its module, answered with a command, and reported to the cloud
// when the module says so, or when nothing was reported for a while.
import { NO_BYTES } from "../protocol/mod.ts";
import { ask, dataOf, describe, drop, finish, isOk, noteFailure, withForwards } from "./calls.ts";
import { nextCommand } from "./commands.ts";
import type { CallResult, Effect, ReportReason } from "./inputs.ts";
import type { ActiveJob, Aggregate, DeviceState, Environment, Job } from "./state.ts";

type Status = Extract<Job, { readonly kind: "status" }>;
type ActiveStatus = ActiveJob & { readonly job: Status };

/** A device reports [HANDLER-STATUS-VALID]. */
export function beginStatus(
  state: DeviceState,
  job: Status,
  { settings }: Environment,
  effects: Effect[],
): DeviceState {
  const { device: { module, deviceType: type }, data: status } = job;
  if (!settings.modules.includes(module)) {
    const detail = `module ${module} is not served`;
    return drop(state, job, "module_unknown", detail, effects);
  }
  return ask(state, job, { name: "status_data_valid", type, status }, effects);
}

/** The module has answered what it was asked for the sake of a status. */
export function onStatusReturn(
  state: DeviceState,
  active: ActiveStatus,
  outcome: CallResult,
  environment: Environment,
  effects: Effect[],
): DeviceState {
  const { job, stage, reports } = active;
  const { deviceType: type } = job.device;
  const { aggregate } = state;
  switch (stage) {
    case "status_data_valid": {
      if (!isOk(outcome)) return dropStatus(state, active, outcome, effects);
      if (aggregate === null) {
        return state.forwards === null
          ? ask(state, job, { name: "forward_command_on_receive", type }, effects, "first")
          : ask(state, job, { name: "generate_first_command", type }, effects, "first");
      }
      const { status: current } = aggregate;
      const heard = { ...state, aggregate: { ...aggregate, silentReports: 0 } };
      const call = { name: "send_status_condition", type, current, fresh: job.data } as const;
      return ask(heard, job, call, effects);
    }
    case "forward_command_on_receive": {
      const known = withForwards(state, job.device, outcome, effects);
      return ask(known, job, { name: "generate_first_command", type }, effects, reports);
    }
    case "generate_first_command": {
      const command = dataOf(outcome);
      if (command === null) return dropStatus(state, active, outcome, effects);
      const { device, data: status } = job;
      const first: Aggregate = {
        device,
        status,
        command,
        commands: [],
        reportedAt: environment.now,
        silentReports: 0,
      };
      return askForCommand({ ...state, aggregate: first }, active, effects);
    }
    case "send_status_condition": {
      if (aggregate === null) return finish(state);
      if ("failure" in outcome) effects.push(noteFailure(job.device, stage, outcome));
      const { status: current } = aggregate;
      const call = { name: "aggregate_status", type, current, fresh: job.data } as const;
      return ask(state, job, call, effects, isOk(outcome) ? "condition" : null);
    }
    case "aggregate_status": {
      if (aggregate === null) return finish(state);
      const made = dataOf(outcome);
      if (made === null) effects.push(noteFailure(job.device, stage, outcome));
      const { now } = environment;
      const next = {
        ...aggregate,
        device: job.device,
        status: made ?? aggregate.status,
        reportedAt: reports === null ? aggregate.reportedAt : now,
      };
      return askForCommand({ ...state, aggregate: next }, active, effects);
    }
    case "generate_command": {
      const made = dataOf(outcome);
      if (made === null) effects.push(noteFailure(job.device, stage, outcome));
      return answer(state, active, made, effects);
    }
    default:
      return finish(state);
  }
}

/** When nothing was reported for a while, the current status is [HANDLER-REPORT]. */
export function onTimer(
  state: DeviceState,
  { now, settings: { reportMs, deadAfter } }: Environment,
  effects: Effect[],
): DeviceState {
  const { aggregate } = state;
  if (aggregate === null || now < aggregate.reportedAt + reportMs) return state;
  report(state, "timer", effects);
  const silentReports = aggregate.silentReports + 1;
  // One whose status waits for its module is not silent.
  const isSilent = silentReports >= deadAfter && state.active?.job.kind !== "status" &&
    !state.jobs.some(({ kind }) => kind === "status");
  if (isSilent) effects.push({ type: "dead", device: aggregate.device });
  return { ...state, aggregate: { ...aggregate, reportedAt: now, silentReports } };
}

/** Reports the current status, whatever the module says [HANDLER-FORCE]. */
export function report(state: DeviceState, why: ReportReason, effects: Effect[]): DeviceState {
  const { aggregate } = state;
  if (aggregate !== null) {
    const { device, status: data } = aggregate;
    effects.push({ type: "report", device, data, why });
  }
  return state;
}

function dropStatus(
  state: DeviceState,
  { job, stage }: ActiveStatus,
  outcome: CallResult,
  effects: Effect[],
): DeviceState {
  const isInvalid = stage === "status_data_valid" && !("failure" in outcome);
  const reason = isInvalid ? "status_invalid" : "module_failed";
  return drop(state, job, reason, describe(stage, outcome), effects);
}

/** Has the command made, or answers at once when there is nothing to make it from. */
function askForCommand(state: DeviceState, active: ActiveStatus, effects: Effect[]): DeviceState {
  const { job, reports } = active;
  const { aggregate, forwards } = state;
  if (aggregate === null) return finish(state);
  const next = nextCommand(aggregate);
  if (next === null && forwards === true) return answer(state, active, null, effects);
  const { command, ...rest } = next ?? { command: aggregate.command, commands: [] };
  const call = {
    name: "generate_command",
    type: job.device.deviceType,
    fresh: job.data,
    current: aggregate.status,
    command,
  } as const;
  return ask(
    { ...state, aggregate: { ...aggregate, command, ...rest } },
    job,
    call,
    effects,
    reports,
  );
}

/** Answers the device, and only then tells the cloud [HANDLER-ANSWER]. */
function answer(
  state: DeviceState,
  { job: { device, request }, reports }: ActiveStatus,
  made: Uint8Array | null,
  effects: Effect[],
): DeviceState {
  effects.push({ type: "answer_status", device, request, command: made ?? NO_BYTES });
  const { aggregate } = state;
  const next = aggregate === null || made === null
    ? state
    : { ...state, aggregate: { ...aggregate, command: made } };
  return finish(reports === null ? next : report(next, reports, effects));
}
