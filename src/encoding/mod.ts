// Formats for the states of cores.
export {
  bytes,
  device,
  type Encoding,
  flag,
  type Format,
  FormatError,
  list,
  moment,
  nullable,
  number,
  optional,
  record,
  text,
  union,
  versioned,
  word,
} from "./format.ts";
