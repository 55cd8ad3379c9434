// The door of protocol/codec/.
export {
  decodeServerMessage,
  encodeClientMessage,
  encodeServerMessage,
  readClientMessage,
} from "./codec.ts";
export { MalformedMessageError } from "./errors.ts";
export { frameOf, FrameReader } from "./frames.ts";
export {
  decodeDeviceMessage,
  decodeGatewayMessage,
  encodeDeviceMessage,
  encodeGatewayMessage,
} from "./internal.ts";
