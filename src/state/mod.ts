// What survives a restart of the server: small JSON documents in a directory.
export { StateError } from "./errors.ts";
export { keptTime, type Pause, Pauses } from "./pauses.ts";
export { StateDirectory, type StateDirectoryOptions } from "./state_directory.ts";
export type { StateFile } from "./state_file.ts";
