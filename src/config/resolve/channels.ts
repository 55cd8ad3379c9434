// Resolves the decoders and channels of a sink. Whether their expressions can be used is checked once
// everything else is right: that takes libraries, and files.
import type { ChannelConfig, DecoderConfig } from "../../channel/mod.ts";
import { joinPath, quote } from "../../text/mod.ts";
import type { Read } from "../dialects/read.ts";
import type { Faults, Problem } from "../errors.ts";
import { type ConfigPlace, findFile } from "../files.ts";
import type { channelSchema, decoderSchema } from "../keys/channel_keys.ts";
import type { ServerConfig } from "./config.ts";

type DecoderInput = Read<typeof decoderSchema>;
type ChannelInput = Read<typeof channelSchema>;
type Inputs<T> = ReadonlyMap<string, T | undefined> | undefined;

/** Names like 7 would not keep their places in an object. */
const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
const NUMBER = /^\d{1,10}$/;

/** The decoders that are right, by module number; undefined: there are none. */
export function resolveDecoders(
  input: Inputs<DecoderInput>,
  path: string,
  place: ConfigPlace,
  faults: Faults,
): Readonly<Record<string, DecoderConfig>> | undefined {
  if (input === undefined) return undefined;
  const decoders: [string, DecoderConfig][] = [];
  for (const [module, one] of input) {
    const at = joinPath(path, module);
    if (!NUMBER.test(module)) {
      faults.problem(at, `Expected the number of a module: found ${quote(module)}`);
    }
    const decoder = one && resolveDecoder(one, at, place, faults);
    if (decoder !== undefined) decoders.push([module, decoder]);
  }
  return Object.fromEntries(decoders);
}

function resolveDecoder(
  { kind, descriptor_file: file, messages, commands }: DecoderInput,
  path: string,
  place: ConfigPlace,
  faults: Faults,
): DecoderConfig | undefined {
  if (kind !== "protobuf") return kind && { kind };
  if (file === undefined) {
    const key = joinPath(path, "descriptor_file");
    faults.problem(key, `Expected it for a decoder of the kind "${kind}": found nothing`);
    return;
  }
  const found = findFile(file, place);
  if (!found.ok) return faults.problem(joinPath(path, "descriptor_file"), found.message), undefined;
  return {
    kind,
    descriptorFile: found.path,
    messages: messageNames(messages, joinPath(path, "messages"), faults),
    commands: messageNames(commands, joinPath(path, "commands"), faults),
  };
}

function messageNames(
  input: Inputs<string>,
  path: string,
  faults: Faults,
): Readonly<Record<string, string>> {
  const names: [string, string][] = [];
  for (const [type, name] of input ?? []) {
    if (!NUMBER.test(type)) {
      faults.problem(joinPath(path, type), `Expected a device type: found ${quote(type)}`);
    }
    if (name !== undefined) names.push([type, name]);
  }
  return Object.fromEntries(names);
}

/** The channels that are right, in the order of the document; undefined: there are none. */
export function resolveChannels(
  input: Inputs<ChannelInput>,
  path: string,
  faults: Faults,
): readonly ChannelConfig[] | undefined {
  if (input === undefined) return undefined;
  if (input.size === 0) faults.problem(path, "Expected at least one channel: found none");
  const channels: ChannelConfig[] = [];
  for (const [name, one] of input) {
    const at = joinPath(path, name);
    if (!NAME.test(name)) {
      const expected = "a letter, and up to 63 more letters, digits, underscores, dots and hyphens";
      faults.problem(at, `Expected ${expected}: found ${quote(name)}`);
    }
    if (one !== undefined) channels.push(resolveChannel(name, one, at, faults));
  }
  return channels;
}

function resolveChannel(
  name: string,
  { events, where, report, sample, map, example }: ChannelInput,
  path: string,
  faults: Faults,
): ChannelConfig {
  const { when = "received", period_ms: periodMs = 0, fields } = report ?? {};
  if (when.endsWith("period") && periodMs === 0) {
    const expected = `a period of at least 1 ms for "${when}"`;
    faults.problem(
      joinPath(joinPath(path, "report"), "period_ms"),
      `Expected ${expected}: found 0`,
    );
  }
  const { one_in: oneIn, share } = sample ?? {};
  if (sample !== undefined && (oneIn === undefined) === (share === undefined)) {
    const found = oneIn === undefined ? "neither" : "both";
    faults.problem(joinPath(path, "sample"), `Expected either "one_in" or "share": found ${found}`);
  }
  const bands = [...fields ?? []].filter((entry): entry is [string, number] =>
    entry[1] !== undefined
  );
  const kinds = events?.filter((one) => one !== undefined);
  return {
    name,
    ...(kinds === undefined ? {} : { events: kinds }),
    ...(where === undefined ? {} : { where }),
    report: {
      when,
      periodMs,
      ...(fields === undefined ? {} : { fields: Object.fromEntries(bands) }),
    },
    ...(oneIn !== undefined
      ? { sample: { oneIn } }
      : share !== undefined
      ? { sample: { share } }
      : {}),
    ...(map === undefined ? {} : { map }),
    ...(example === undefined ? {} : { example: Object.fromEntries(example) }),
  };
}

/** Compiles the expressions of all sinks, and tries them; nothing is loaded when there are none. */
export async function checkSinkChannels(
  { sinks = [] }: Pick<ServerConfig, "sinks">,
): Promise<{ readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] }> {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  for (const { name, channels, decoders = {} } of sinks) {
    if (channels === undefined) continue;
    const { checkChannels } = await import("../../channel/mod.ts");
    for (const { path, message, isWarning } of await checkChannels({ channels, decoders })) {
      const problem = { path: `${joinPath("sinks", name)}.${path}`, message };
      if (isWarning) warnings.push(problem);
      else problems.push(problem);
    }
  }
  return { problems, warnings };
}
