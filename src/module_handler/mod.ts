// The module handler of a gateway: aggregates what devices report, and answers with commands.
export { DEVICE_ENCODING, ERROR_ENCODING } from "./encoding.ts";
export {
  createErrors,
  ERROR_LIMITS,
  type ErrorEffect,
  type ErrorInput,
  type ErrorLimits,
  type ErrorState,
  type ErrorStep,
  isSettled,
  stepErrors,
} from "./error_aggregator.ts";
export type { CallResult, DropReason, Effect, Input, ReportReason } from "./inputs.ts";
export { HANDLER_SETTINGS, type HandlerSettings } from "./settings.ts";
export {
  type Aggregate,
  createDevice,
  type DeviceState,
  type Environment,
  heldBytes,
  isForgotten,
} from "./state.ts";
export { nextDeadline, type Step, step } from "./step.ts";
