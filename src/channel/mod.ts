// Channels of sinks: which events they take, and how these are sent. Loaded only when a sink has some;
// the expressions' libraries when one needs them.
export type {
  Body,
  ChannelCount,
  ChannelCounts,
  ChannelFailure,
  Evaluated,
  Follows,
} from "./channels.ts";
export { type Evaluator, makeEvaluator } from "./evaluator.ts";
export {
  type ChannelConfig,
  type ChannelProblem,
  type ChannelsConfig,
  checkChannels,
  type DecoderConfig,
  EXAMPLE,
  readChannels,
} from "./example.ts";
export type { ChannelSettings, DecoderKind, Report, SampleSettings } from "./settings.ts";
