// A module in TypeScript or JavaScript as a value: what was read from disk, ready to be run.

/** One file of a script. */
export interface ScriptFile {
  /** Absolute. */
  readonly path: string;
  /**
   * JavaScript that gets `require`, `module` and `exports`, each line where it is in the file; or the
   * text of a `.json` file.
   */
  readonly code: string;
  /** What each import names: a file's path, or one of Node's modules such as `node:path`. */
  readonly imports: Readonly<Record<string, string>>;
}

/** A module with the files that it imports. */
export interface Script {
  /** In the order in which they are run; the module itself is the last one. */
  readonly files: readonly ScriptFile[];
  /** SHA-256 of all files' contents, as hexadecimal digits. */
  readonly hash: string;
}

/** What a script may do; nothing by default. */
export interface ScriptPermissions {
  /** Hosts, each with a port or without. */
  readonly net?: readonly string[];
  /** Absolute paths of files and folders. */
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  /** Names of environment variables. */
  readonly env?: readonly string[];
}

/** A script cannot be read; the message names file and place. */
export class ScriptError extends Error {
  override readonly name = "ScriptError";
}

/** Whether a module's file is a script, and not a shared library. */
export function isScriptPath(path: string): boolean {
  return /\.m?[jt]s$/.test(path);
}

/** Whether two sets of permissions grant the same, in whatever order. */
export function grantsSame(one: ScriptPermissions = {}, other: ScriptPermissions = {}): boolean {
  return grantsOf(one) === grantsOf(other);
}

/** Permissions as a text that is equal when what they grant is. */
export function grantsOf({ net, read, write, env }: ScriptPermissions = {}): string {
  return JSON.stringify([net, read, write, env].map((list) => [...new Set(list)].sort()));
}
