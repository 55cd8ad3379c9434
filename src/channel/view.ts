// An event as expressions see it: its JSON, and its payload decoded.

/** The JSON of an event, as sinks send it. */
export interface EventJson {
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  /** `null`: an event of the server. */
  readonly car: string | null;
  readonly session: string | null;
  readonly device: DeviceJson | null;
  readonly counter: number | null;
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly payload: { readonly text: string } | { readonly base64: string } | null;
}

interface DeviceJson {
  readonly module: number;
  readonly type: number;
  readonly role: string;
  readonly name: string;
}

/** What expressions see. */
export interface EventView extends EventJson {
  /** What the module's decoder made of the payload; `null`: nothing; absent: it has none. */
  readonly decoded?: unknown;
}

/** The names that expressions use. */
export const VIEW_NAMES = [
  "id",
  "at",
  "car",
  "session",
  "device",
  "counter",
  "kind",
  "data",
  "payload",
  "decoded",
] as const satisfies readonly (keyof EventView)[];
