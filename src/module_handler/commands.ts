// Commands of the cloud for a device.
import { ask, dataOf, describe, drop, finish, isOk, noteFailure, withForwards } from "./calls.ts";
import type { CallResult, Effect } from "./inputs.ts";
import type { ActiveJob, Aggregate, DeviceState, Environment, Job } from "./state.ts";

type Command = Extract<Job, { readonly kind: "command" }>;
type ActiveCommand = ActiveJob & { readonly job: Command };

/** A command came; it was answered already [HANDLER-COMMAND]. */
export function beginCommand(state: DeviceState, job: Command, effects: Effect[]): DeviceState {
  const { device: { deviceType: type }, data: command } = job;
  if (state.aggregate === null) {
    const detail = "the device has sent no status";
    return drop(state, job, "device_unknown", detail, effects);
  }
  if (command.length === 0) {
    return drop(state, job, "command_empty", "the command is empty", effects);
  }
  return ask(state, job, { name: "command_data_valid", type, command }, effects);
}

/** The module has answered what it was asked for the sake of a command. */
export function onCommandReturn(
  state: DeviceState,
  active: ActiveCommand,
  outcome: CallResult,
  { settings: { maxCommands } }: Environment,
  effects: Effect[],
): DeviceState {
  const { job, stage } = active;
  const { device, data } = job;
  const { aggregate } = state;
  if (aggregate === null) return finish(state);
  switch (stage) {
    case "command_data_valid": {
      if (!isOk(outcome)) {
        const reason = "failure" in outcome ? "module_failed" : "command_invalid";
        return drop(state, job, reason, describe(stage, outcome), effects);
      }
      const commands = [...aggregate.commands, data];
      if (commands.length > maxCommands) {
        const detail = `more than ${maxCommands} wait for the device: the oldest made room`;
        const reason = "command_queue_full";
        effects.push({ type: "dropped", what: "command", device, reason, detail });
      }
      const queued = {
        ...state,
        aggregate: { ...aggregate, commands: commands.slice(-maxCommands) },
      };
      if (queued.forwards !== null) return forward(queued, job, effects);
      const call = { name: "forward_command_on_receive", type: device.deviceType } as const;
      return ask(queued, job, call, effects);
    }
    case "forward_command_on_receive":
      return forward(withForwards(state, device, outcome, effects), job, effects);
    case "generate_command": {
      const command = dataOf(outcome);
      if (command === null) {
        effects.push(noteFailure(device, stage, outcome));
        return finish(state);
      }
      effects.push({ type: "push", device: aggregate.device, command });
      return finish({ ...state, aggregate: { ...aggregate, command } });
    }
    default:
      return finish(state);
  }
}

/** The oldest command that waits, and the others; null when none does. */
export function nextCommand(
  { commands: [command, ...commands] }: Aggregate,
): Pick<Aggregate, "command" | "commands"> | null {
  return command === undefined ? null : { command, commands };
}

/** Has the oldest command made at once if its device is sent commands so [HANDLER-FORWARD]. */
function forward(state: DeviceState, job: Command, effects: Effect[]): DeviceState {
  const { aggregate, forwards } = state;
  const next = aggregate === null ? null : nextCommand(aggregate);
  if (aggregate === null || next === null || forwards !== true) return finish(state);
  const call = {
    name: "generate_command",
    type: job.device.deviceType,
    fresh: aggregate.status,
    current: aggregate.status,
    command: next.command,
  } as const;
  return ask({ ...state, aggregate: { ...aggregate, ...next } }, job, call, effects);
}
