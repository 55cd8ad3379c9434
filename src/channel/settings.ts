// What a channel is told: which events of a sink it takes, and how they are sent.

/** When an event of a device is reported. */
export type Report = "received" | "change" | "period" | "change-or-period";

/** How a payload is read. */
export type DecoderKind = "json" | "protobuf" | "text" | "base64";

/** Takes some of a sink's events, thins them out and rewrites them. */
export interface ChannelSettings {
  readonly name: string;
  /** Kinds of events, or what they begin with; absent: all. */
  readonly events?: readonly string[];
  /** CEL: whether it takes the event; absent: it does. */
  readonly where?: string;
  readonly report: ReportSettings;
  /** Absent: all. */
  readonly sample?: SampleSettings;
  /** JSONata: what is sent; absent: the event. */
  readonly map?: string;
}

export interface ReportSettings {
  readonly when: Report;
  readonly periodMs: number;
  /**
   * What is compared: paths in the decoded payload, each with the dead-band in which a number counts
   * as unchanged; absent: the payload.
   */
  readonly fields?: Readonly<Record<string, number>>;
}

/** One event in so many of a device, or a share of all, chosen by their ids. */
export type SampleSettings = { readonly oneIn: number } | { readonly share: number };

/** How the payloads of a module are read. */
export type DecoderSettings =
  | { readonly kind: Exclude<DecoderKind, "protobuf"> }
  | ProtobufSettings;

export interface ProtobufSettings {
  readonly kind: "protobuf";
  /** The content of the descriptor file. */
  readonly descriptor: Uint8Array;
  /** Names of messages by device type: of statuses, and of commands. */
  readonly messages: Readonly<Record<string, string>>;
  readonly commands: Readonly<Record<string, string>>;
}

/** What a sink's channels and decoders are told; cloned to a worker. */
export interface ChannelsSettings {
  /** At least one; an event goes through the first that takes it. */
  readonly channels: readonly ChannelSettings[];
  /** By module number. */
  readonly decoders: Readonly<Record<string, DecoderSettings>>;
}
