// What survives a restart of the server: small JSON documents in a directory.
export { StateError } from "./errors.ts";
export { keptTime, type Pause, Pauses, PAUSES_DOCUMENT } from "./pauses.ts";
export {
  freshName,
  LOCK,
  replaceFile,
  setAsideName,
  StateDirectory,
  type StateDirectoryOptions,
  type StateDocument,
} from "./state_directory.ts";
export type { StateFile } from "./state_file.ts";
