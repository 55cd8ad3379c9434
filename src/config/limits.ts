// The limits of the configuration, each described once: the form, the schema, the defaults, the
// effective document and the comparison are made from this table.

/** How one limit is written in a configuration; its least value is 1. */
export interface Limit {
  /** Its key in the section `limits`. */
  readonly key: string;
  readonly default: number;
  /** For the JSON Schema. */
  readonly description: string;
}

/** Every limit by its name in the form. */
export const LIMITS = {
  /** Bytes of a gateway's message: a larger payload is discarded unread. */
  messageBytes: {
    key: "max_message_bytes",
    default: 1_048_576,
    description: "A larger message of a gateway is discarded",
  },
  /** Devices: a Connect with more is refused, and further ones are not connected. */
  devices: {
    key: "max_devices",
    default: 1000,
    description: "A Connect with more devices is refused; further ones are not connected",
  },
  /** How far a status counter may be ahead of the expected one; further, the session fails. */
  statusGap: {
    key: "max_status_gap",
    default: 1000,
    description: "A status counter further ahead fails the session",
  },
  /** Statuses for modules: with more, reading pauses and statuses wait in the gateway. */
  waitingStatuses: {
    key: "max_waiting_statuses",
    default: 1000,
    description:
      "With more statuses waiting for modules, reading pauses and the gateway keeps them",
  },
  /** Bytes of statuses: with more, reading pauses; with more ahead of a gap, the session fails. */
  waitingBytes: {
    key: "max_waiting_bytes",
    default: 16_777_216,
    description:
      "With more bytes in statuses waiting for modules, reading pauses; ahead of a missing status, the session fails",
  },
  /** Commands: with more, the module keeps its own; with twice as many, the newest is dropped. */
  waitingCommands: {
    key: "max_waiting_commands",
    default: 10_000,
    description: "With more commands waiting, modules keep theirs",
  },
  /** Published commands without a response: with more, further commands wait. */
  unansweredCommands: {
    key: "max_unanswered_commands",
    default: 500,
    description: "With more commands without a response, further ones wait",
  },
} as const satisfies Readonly<Record<string, Limit>>;

type LimitTable = typeof LIMITS;
type LimitName = keyof LimitTable;
type LimitKey = LimitTable[LimitName]["key"];

/** What is bounded, for each car; {@linkcode LIMITS} says what each of them means. */
export type Limits = { readonly [Name in keyof LimitTable]: number };

const NAMES = Object.keys(LIMITS) as LimitName[];

/** Makes something of each limit, under its name in the form. */
export function limitsByName<T>(
  make: (limit: LimitTable[LimitName]) => T,
): { [Name in keyof LimitTable]: T } {
  const entries = NAMES.map((name) => [name, make(LIMITS[name])]);
  return Object.fromEntries(entries);
}

/** Makes something of each limit, under its key in a configuration. */
export function limitsByKey<T>(
  make: (limit: LimitTable[LimitName], name: LimitName) => T,
): { [Key in LimitKey]: T } {
  const entries = NAMES.map((name) => [LIMITS[name].key, make(LIMITS[name], name)]);
  return Object.fromEntries(entries);
}
