// Modules in TypeScript or JavaScript, read from disk.
export { type ReadFile, readScript } from "./read_script.ts";
export {
  grantsOf,
  grantsSame,
  isScriptPath,
  type Script,
  ScriptError,
  type ScriptFile,
  type ScriptPermissions,
} from "./script.ts";
