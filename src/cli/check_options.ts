// The options of `check`, separate from the command, so that help loads nothing else.
import { configureWithConfig } from "./config_options.ts";
import type { Configure } from "./program_context.ts";

interface ParsedOptions {
  readonly against?: string;
  readonly apiKey?: string;
  readonly apiKeyFile?: string;
  readonly showConfigValues?: boolean;
  readonly quiet?: boolean;
}

/** Adds what `check` takes to a command. */
export const configureCheck: Configure = (command, { output }, done) => {
  command
    .option("--against <file|url>", "print what a reload would change on the server that runs this")
    .option("--api-key <key>", "API key of that server; other users can see it in ps")
    .option("--api-key-file <file>", "file with that key")
    .option("--show-config-values", "print every value of modules' config, secrets included")
    .option("-q, --quiet", "print only problems and the verdict, for services");
  configureWithConfig(command, async (options) => {
    const { against: target, apiKey, apiKeyFile, showConfigValues, quiet } = command.opts<
      ParsedOptions
    >();
    const fail = (text: string) => command.error(`error: ${text}`);
    if (apiKey !== undefined && apiKeyFile !== undefined) {
      fail("--api-key and --api-key-file: expected only one of them");
    }
    if (target === undefined && (apiKey ?? apiKeyFile) !== undefined) {
      fail("--api-key: no use without --against");
    }
    if (target !== undefined && showConfigValues) {
      fail("--show-config-values: no use with --against, which prints no values");
    }
    const { runCheck } = await import("./check.ts");
    const against = target === undefined ? {} : { against: { target, apiKey, apiKeyFile } };
    done(await runCheck({ ...options, ...against, showConfigValues, quiet }, output));
  });
};
