// The options of `gateway`, separate from the command, so that help loads nothing else.
import { Option } from "commander";
import { CONFIG_SOURCE_SUMMARY } from "./config_options.ts";
import { OptionReader } from "./option_reader.ts";
import type { Configure } from "./program_context.ts";

const USAGE_STATUS = 2;

interface ParsedOptions {
  readonly configPath?: string;
  readonly port?: string;
  readonly configSource?: "off";
}

/** Adds what `gateway` takes to a command: the reference gateway's arguments, and a plain file. */
export const configureGateway: Configure = (command, context, done) => {
  command
    .argument("[config]", "configuration file of a Module Gateway, or - for standard input")
    .option("-c, --config-path <file>", "the same as an option")
    .option("--port <n>", "listen for devices on this port instead; 0: any free one")
    .addOption(
      new Option("--config-source <off>", CONFIG_SOURCE_SUMMARY).choices(["off"]),
    )
    .action(async (argument: string | undefined, parsed: ParsedOptions) => {
      const fail = (text: string) => command.error(`error: ${text}`);
      const { configPath } = parsed;
      if (argument !== undefined && configPath !== undefined) {
        fail(`configuration file given twice: "${argument}" and "${configPath}"`);
      }
      const config = argument ?? configPath;
      if (config === undefined) {
        return fail("no configuration file: name one, or use --config-path");
      }
      const reader = new OptionReader({ port: parsed.port });
      const port = reader.number("port", { min: 0, max: 65_535, integer: true });
      for (const problem of reader.problems) context.output.err(`error: ${problem}`, "failed");
      if (reader.problems.length > 0) return done(USAGE_STATUS);
      const { gatewayCommand } = await import("./gateway.ts");
      const isFollowed = parsed.configSource !== "off";
      done(await gatewayCommand({ config, overrides: { port }, isFollowed }, context));
    });
};
