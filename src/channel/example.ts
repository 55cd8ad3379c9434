// Whether channels can be used: compiles every expression, and tries it on an example of an event.
import { describeFileError, joinPath, readBytes } from "../text/mod.ts";
import { type Decode, DescriptorError, makeDecoder } from "./decoder.ts";
import { ExpressionError } from "./errors.ts";
import { compileMap } from "./map.ts";
import type { ChannelSettings, ChannelsSettings, DecoderSettings } from "./settings.ts";
import type { EventView } from "./view.ts";
import { compileWhere } from "./where.ts";

/** Channels and decoders as a configuration has them. */
export interface ChannelsConfig {
  readonly channels: readonly ChannelConfig[];
  /** By module number. */
  readonly decoders: Readonly<Record<string, DecoderConfig>>;
}

export interface ChannelConfig extends ChannelSettings {
  /** An event to try the expressions on; what it lacks, {@linkcode EXAMPLE} has. */
  readonly example?: Readonly<Record<string, unknown>>;
}

export type DecoderConfig =
  | Exclude<DecoderSettings, { readonly kind: "protobuf" }>
  | {
    readonly kind: "protobuf";
    /** An absolute path. */
    readonly descriptorFile: string;
    readonly messages: Readonly<Record<string, string>>;
    readonly commands: Readonly<Record<string, string>>;
  };

/** Something wrong with channels or decoders. */
export interface ChannelProblem {
  /** Such as `channels.fast.where`, within the sink. */
  readonly path: string;
  readonly message: string;
  /** Whether it may be right for other events. */
  readonly isWarning: boolean;
}

/** A status, as a session's event log has it. */
export const EXAMPLE: EventView = {
  id: "company/car/1700000000000/1",
  at: "2026-01-01T00:00:00.000Z",
  car: "car",
  session: "session",
  device: { module: 1, type: 1, role: "role", name: "name" },
  counter: 1,
  kind: "status.accepted",
  data: { state: "running" },
  payload: { text: "{}" },
};

/** With more, a descriptor file is not read. */
const MAX_DESCRIPTOR_BYTES = 4 * 1024 * 1024;

/**
 * Reads the files that decoders name.
 *
 * @throws {DescriptorError} or {@linkcode FileError}
 */
export async function readChannels(
  { channels, decoders }: ChannelsConfig,
): Promise<ChannelsSettings> {
  const read = await Promise.all(
    Object.entries(decoders).map(async ([module, one]) =>
      [module, await readDecoder(one)] as const
    ),
  );
  return { channels, decoders: Object.fromEntries(read) };
}

async function readDecoder(config: DecoderConfig): Promise<DecoderSettings> {
  if (config.kind !== "protobuf") return config;
  const { kind, descriptorFile, messages, commands } = config;
  try {
    const descriptor = await readBytes(descriptorFile, { maxBytes: MAX_DESCRIPTOR_BYTES });
    return { kind, messages, commands, descriptor };
  } catch (error) {
    const message = `Expected a readable file: ${describeFileError(error)}`;
    throw new DescriptorError("descriptor_file", message, { cause: error });
  }
}

/** Compiles and tries everything; resolves with all that is wrong. */
export async function checkChannels(config: ChannelsConfig): Promise<ChannelProblem[]> {
  const problems: ChannelProblem[] = [];
  const decoders = new Map<string, Decode>();
  for (const [module, one] of Object.entries(config.decoders)) {
    try {
      decoders.set(module, await makeDecoder(await readDecoder(one)));
    } catch (error) {
      if (!(error instanceof DescriptorError)) throw error;
      const path = `${joinPath("decoders", module)}.${error.key}`;
      problems.push({ path, message: error.message, isWarning: false });
    }
  }
  for (const channel of config.channels) {
    const path = joinPath("channels", channel.name);
    const view = exampleFor(channel, decoders);
    problems.push(
      ...await checkKey(joinPath(path, "where"), channel, async ({ where }) => {
        if (where !== undefined) (await compileWhere(where))(view());
      }),
    );
    problems.push(
      ...await checkKey(joinPath(path, "map"), channel, async ({ map }) => {
        if (map !== undefined) await (await compileMap(map))(view());
      }),
    );
  }
  return problems;
}

async function checkKey(
  path: string,
  channel: ChannelConfig,
  work: (channel: ChannelConfig) => Promise<void>,
): Promise<ChannelProblem[]> {
  try {
    await work(channel);
    return [];
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    if (!error.isMissing || channel.example !== undefined) {
      const message = `Expected an expression that can be used: ${error.message}`;
      return [{ path, message, isWarning: false }];
    }
    const hint = 'give the channel an "example" that has it';
    return [{ path, message: `Not tried: ${hint}: ${error.message}`, isWarning: true }];
  }
}

/** The example of a channel, decoded as its module's payloads are. */
function exampleFor(
  { example = {} }: ChannelConfig,
  decoders: ReadonlyMap<string, Decode>,
): () => EventView {
  return () => {
    const [only] = decoders.size === 1 ? decoders.keys() : [];
    const device = only === undefined
      ? EXAMPLE.device
      : { ...EXAMPLE.device as NonNullable<EventView["device"]>, module: Number(only) };
    const event = { ...EXAMPLE, device, ...example } as EventView;
    if ("decoded" in example) return event;
    const decode = decoders.get(String(event.device?.module));
    try {
      const decoded = decode?.(event);
      return decoded === undefined ? event : { ...event, decoded };
    } catch (error) {
      const message = `the payload of the example cannot be decoded: ${(error as Error).message}`;
      throw new ExpressionError(message, { cause: error, isMissing: true });
    }
  };
}
