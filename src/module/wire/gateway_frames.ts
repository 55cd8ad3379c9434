// The frames of a gateway's calls. The function is the argument of the header, as its index.
//
//   call:   u32 type | for each buffer: u32 bytes, 0xffffffff for none | bytes
//   return: i32 code | u32 duration in microseconds | what the module made
import { FrameError } from "../errors.ts";
import { GATEWAY_FUNCTIONS, type GatewayCall, type GatewayReturn } from "../gateway_call.ts";
import type { Frame } from "./frame_reader.ts";
import type { FrameWriter } from "./frame_writer.ts";
import { FrameKind } from "./frames.ts";

/** The argument of a return. */
export const ReturnKind = {
  RETURNED: 0,
  /** The module said OK and made no data, where it should have. */
  WITHOUT_DATA: 1,
  /** The function threw: the data says why. */
  THREW: 2,
} as const;
/** See {@linkcode ReturnKind}. */
export type ReturnKind = typeof ReturnKind[keyof typeof ReturnKind];

const NONE = 0xffffffff;
const NO_BYTES = new Uint8Array(0);

/** The buffers of a call, in the order of the C function's parameters; `null`: none. */
export function buffersOf(call: GatewayCall): readonly (Uint8Array | null)[] {
  switch (call.name) {
    case "is_device_type_supported":
    case "generate_first_command":
    case "forward_command_on_receive":
      return [];
    case "status_data_valid":
      return [call.status];
    case "command_data_valid":
      return [call.command];
    case "send_status_condition":
    case "aggregate_status":
      return [call.current, call.fresh];
    case "generate_command":
      return [call.fresh, call.current, call.command];
    case "aggregate_error":
      return [call.message, call.status];
  }
}

/** A whole frame with a call; false when it would be too large and was not added. */
export function writeCall(out: FrameWriter, call: GatewayCall): boolean {
  out.begin(FrameKind.GATEWAY_CALL, 0, GATEWAY_FUNCTIONS.indexOf(call.name));
  out.uint32(call.type);
  for (const bytes of buffersOf(call)) {
    out.uint32(bytes === null ? NONE : bytes.length);
    if (bytes !== null) out.room(bytes.length).set(bytes);
  }
  return out.end();
}

/**
 * Reads a call; its data is part of the frame, and valid as long as that.
 *
 * @throws {FrameError} when the payload is shorter than it says, or the function is unknown.
 */
export function readCall(frame: Frame): GatewayCall {
  const type = frame.uint32(0);
  let at = 4;
  const next = (): Uint8Array | null => {
    const start = frame.start + at + 4;
    const length = frame.uint32(at);
    at += 4;
    if (start > frame.end || length !== NONE && start + length > frame.end) {
      throw new FrameError(
        `Cannot read call from frame: payload has ${frame.end - frame.start} bytes`,
      );
    }
    if (length === NONE) return null;
    at += length;
    return frame.bytes.subarray(start, start + length);
  };
  const some = () => next() ?? NO_BYTES;
  // Arguments are evaluated in the order in which they were written.
  const name = GATEWAY_FUNCTIONS[frame.argument];
  switch (name) {
    case "is_device_type_supported":
    case "generate_first_command":
    case "forward_command_on_receive":
      return { name, type };
    case "status_data_valid":
      return { name, type, status: some() };
    case "command_data_valid":
      return { name, type, command: some() };
    case "send_status_condition":
    case "aggregate_status":
      return { name, type, current: some(), fresh: some() };
    case "generate_command":
      return { name, type, fresh: some(), current: some(), command: some() };
    case "aggregate_error":
      return { name, type, message: next(), status: some() };
    default:
      throw new FrameError(`Cannot read call from frame: unknown function: ${frame.argument}`);
  }
}

/** A call with data of its own, which outlives its frame. */
export function copyOf(call: GatewayCall): GatewayCall {
  const copy: Record<string, unknown> = { ...call };
  for (const [key, value] of Object.entries(call)) {
    if (value instanceof Uint8Array) copy[key] = value.slice();
  }
  return copy as unknown as GatewayCall;
}

/** A whole frame with what a call has returned. */
export function writeReturn(
  out: FrameWriter,
  kind: ReturnKind,
  { code, data }: GatewayReturn,
  tookUs: number,
): void {
  out.begin(FrameKind.GATEWAY_RETURN, 0, kind);
  out.uint32(code);
  out.uint32(tookUs);
  out.room(data.length).set(data);
  out.end();
}

/** Reads what a call has returned; its data is a copy. */
export function readReturn(frame: Frame): GatewayReturn {
  const code = frame.uint32(0) | 0;
  const start = frame.start + 8;
  const data = start < frame.end ? frame.bytes.slice(start, frame.end) : NO_BYTES;
  return { code, data };
}
