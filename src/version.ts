// Which program this is; deno.json is the one place that says so.
import config from "../deno.json" with { type: "json" };

/** The version of the program, such as `1.2.3`. */
export const VERSION: string = config.version;

/** The program and what it runs on, for `--version` and the first lines of a log. */
export function versionText(): string {
  return `external-server ${VERSION} (Deno ${Deno.version.deno}, V8 ${Deno.version.v8})`;
}
