// The event log: what happened to every car, on the disk; and replaying it.
export { type Difference, shownValue } from "./difference.ts";
export { GatewayRecorder } from "./gateway_recorder.ts";
export { Recorder } from "./recorder.ts";
export { replay, type ReplayedCar, type ReplayedTurn } from "./replay.ts";
export {
  commandEvents,
  EVENT_KINDS,
  eventJson,
  type EventKind,
  type EventPart,
  type LogEvent,
  payloadText,
} from "./log_event.ts";
export { LOG_BEGIN, type LogBatch, LogReader } from "./log_reader.ts";
export { type LogCount, segmentInfos, segmentNumbers } from "./segment_files.ts";
export type { LogCounts, Position } from "./segment_log.ts";
export { type LogSpan, logSpan } from "./time_span.ts";
export { type LogPage, type LogQuery, LogSearch, type SearchCursor } from "./log_search.ts";
export { levelOfEvent, textOfEvent } from "./log_words.ts";
