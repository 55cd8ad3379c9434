// Quotes, escapes, masks and reads text.
export { escapeUnsafe } from "./escape.ts";
export { isOfKind } from "./kind.ts";
export { consoleOutput, type Output, printText, type Tone } from "./output.ts";
export { describeKind, describeValue, DOCUMENT_PATH, joinPath, quote } from "./quote.ts";
export {
  describeFileError,
  type FileKind,
  fileKind,
  MAX_PEM_BYTES,
  MAX_SECRET_BYTES,
  readBytes,
  readStandardInput,
  readText,
  requireRegularFile,
} from "./read_file.ts";
export {
  MASK,
  maskSecrets,
  maskText,
  maskValue,
  sameSecret,
  secretOf,
  secretValues,
} from "./secrets.ts";
export { nearestKey } from "./suggest.ts";
export { fillTemplate, parseTemplate, type Template } from "./template.ts";
