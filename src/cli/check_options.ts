// The options of `check`, apart from the command itself, so that help loads nothing else.
import { configureWithConfig } from "./config_options.ts";
import type { Configure } from "./context.ts";

interface ParsedOptions {
  readonly against?: string;
  readonly apiKey?: string;
  readonly apiKeyFile?: string;
  readonly showConfigValues?: boolean;
}

/** Adds what `check` takes to a command. */
export const configureCheck: Configure = (command, { output }, done) => {
  command
    .option("--against <file|url>", "print what a reload would do to the server that runs this")
    .option("--api-key <key>", "the key of that server's HTTP side; others may see it in ps")
    .option("--api-key-file <file>", "the same from a file")
    .option("--show-config-values", "print values of modules' config that may be secrets, too");
  configureWithConfig(command, output, async (options) => {
    const { against: target, apiKey, apiKeyFile, showConfigValues } = command.opts<ParsedOptions>();
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
    done(await runCheck({ ...options, ...against, showConfigValues }, output));
  });
};
