// The door of protocol/codec/.
export {
  decodeServerMessage,
  encodeClientMessage,
  encodeServerMessage,
  readClientMessage,
} from "./codec.ts";
