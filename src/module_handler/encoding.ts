// Encodes the module handler's states, so that another process can continue them.
import {
  bytes,
  device,
  flag,
  type Format,
  list,
  moment,
  nullable,
  number,
  record,
  union,
  versioned,
  word,
} from "../encoding/mod.ts";
import type { ErrorState } from "./error_aggregator.ts";
import type { ActiveJob, Aggregate, DeviceState, Job } from "./state.ts";

const request = { device, request: number };
const job = union<Job, "kind">("kind", {
  connect: record(request),
  status: record({ ...request, data: bytes }),
  disconnect: record({ device }),
  command: record({ device, data: bytes }),
}) as Format<Job>;

const state = record<DeviceState>({
  aggregate: nullable(record<Aggregate>({
    device,
    status: bytes,
    command: bytes,
    commands: list(bytes),
    reportedAt: moment,
    silentReports: number,
  })),
  forwards: nullable(flag),
  active: nullable(record<ActiveJob>({
    job,
    stage: word(
      "is_device_type_supported",
      "generate_first_command",
      "status_data_valid",
      "command_data_valid",
      "send_status_condition",
      "aggregate_status",
      "generate_command",
      "forward_command_on_receive",
    ),
    call: number,
    reports: nullable(word("first", "condition")),
  })),
  jobs: list(job),
  jobBytes: number,
  nextCall: number,
});

const errors = record<ErrorState>({
  device,
  message: nullable(bytes),
  call: nullable(number),
  nextCall: number,
  waiting: list(bytes),
  waitingBytes: number,
});

/** Of one device of the module handler. */
export const DEVICE_ENCODING = versioned("a device of the module handler", 1, state);

/** Of the errors of one device. */
export const ERROR_ENCODING = versioned("the errors of a device", 1, errors);
