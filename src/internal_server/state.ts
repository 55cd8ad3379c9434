// An internal server as a value: its connections, and which of them each device has.
import { type Device, deviceKey } from "../protocol/mod.ts";
import type { InternalServerSettings } from "./settings.ts";

/** Passed along with every input. */
export interface Environment {
  /** Milliseconds; any clock that does not go back. */
  readonly now: number;
  readonly settings: InternalServerSettings;
}

/** What the module handler was asked. */
export interface Awaited {
  readonly what: "connect" | "status";
  readonly request: number;
  /** As the request named it: the answer repeats all its fields. */
  readonly device: Device;
  readonly since: number;
}

/** What all connections have. */
interface Common {
  readonly id: number;
  /** When bytes came, or it was accepted. */
  readonly heardAt: number;
  /** When the frame that is not whole began; null between frames. */
  readonly frameSince: number | null;
  /** Bytes of that frame, or of the status that has no answer. */
  readonly heldBytes: number;
}

/** Has sent no Connect. */
export interface New extends Common {
  readonly kind: "new";
  readonly acceptedAt: number;
}

/** The one connection of its device. */
export interface Registered extends Common {
  readonly kind: "registered";
  readonly device: Device;
  /** While it is not null, nothing is read. The device is connected once its Connect is answered. */
  readonly awaited: Awaited | null;
  /** Held back, oldest first. */
  readonly commands: readonly Uint8Array[];
}

/** Was refused, and may read its answer. */
export interface Closing extends Common {
  readonly kind: "closing";
  readonly since: number;
}

export type Connection = New | Registered | Closing;

/** The whole of an internal server; see {@linkcode createInternalServer}. */
export interface InternalServerState {
  /**
   * By number, in chunks: a step replaces one connection, and copies one chunk instead of thousands
   * of entries.
   */
  readonly chunks: readonly (readonly (Connection | null)[])[];
  readonly connections: number;
  /**
   * Numbers of registered connections by the identity of their devices, in buckets: a device that comes
   * or goes copies one of them instead of thousands of entries.
   */
  readonly devices: readonly Readonly<Record<string, number>>[];
  readonly registered: number;
  readonly nextRequest: number;
  /** Of all connections. */
  readonly heldBytes: number;
}

const CHUNK_BITS = 5;
const CHUNK_MASK = (1 << CHUNK_BITS) - 1;
/** A power of two. */
const BUCKETS = 64;

/** An internal server without connections. */
export function createInternalServer(): InternalServerState {
  const devices = Array.from({ length: BUCKETS }, () => ({}));
  return { chunks: [], connections: 0, devices, registered: 0, nextRequest: 1, heldBytes: 0 };
}

/** What may be done with a connection; null: there is none of that number. */
export function phaseOf(
  state: InternalServerState,
  id: number,
): "reading" | "awaiting" | "closing" | null {
  const connection = connectionOf(state, id);
  if (connection === null) return null;
  if (connection.kind === "closing") return "closing";
  return connection.kind === "registered" && connection.awaited !== null ? "awaiting" : "reading";
}

export function connectionOf({ chunks }: InternalServerState, id: number): Connection | null {
  return chunks[id >> CHUNK_BITS]?.[id & CHUNK_MASK] ?? null;
}

/** The registered connection of a device: the same identity and an equal priority. */
export function registeredOf(state: InternalServerState, device: Device): Registered | null {
  const holder = holderOf(state, device);
  return holder?.device.priority === device.priority ? holder : null;
}

/** The registered connection of a device's identity, whatever the priority. */
export function holderOf(state: InternalServerState, device: Device): Registered | null {
  const key = deviceKey(device);
  const id = state.devices[bucketOf(key)]?.[key];
  const connection = id === undefined ? null : connectionOf(state, id);
  return connection?.kind === "registered" ? connection : null;
}

/** All connections, by number. */
export function* allConnections({ chunks }: InternalServerState): Generator<Connection> {
  for (const chunk of chunks) {
    for (const connection of chunk) if (connection !== null) yield connection;
  }
}

/** With a connection that is new, or changed. */
export function put(state: InternalServerState, connection: Connection): InternalServerState {
  const before = connectionOf(state, connection.id);
  return {
    ...state,
    chunks: replaced(state.chunks, connection.id, connection),
    connections: state.connections + (before === null ? 1 : 0),
    heldBytes: state.heldBytes + connection.heldBytes - (before?.heldBytes ?? 0),
  };
}

/** Without a connection; its device stays registered. */
export function remove(state: InternalServerState, { id }: Connection): InternalServerState {
  const before = connectionOf(state, id);
  if (before === null) return state;
  return {
    ...state,
    chunks: replaced(state.chunks, id, null),
    connections: state.connections - 1,
    heldBytes: state.heldBytes - before.heldBytes,
  };
}

export function register(state: InternalServerState, device: Device, id: number) {
  const key = deviceKey(device);
  const at = bucketOf(key);
  const before = state.devices[at] ?? {};
  const devices = state.devices.with(at, { ...before, [key]: id });
  return { ...state, devices, registered: state.registered + (key in before ? 0 : 1) };
}

export function unregister(state: InternalServerState, device: Device): InternalServerState {
  const key = deviceKey(device);
  const at = bucketOf(key);
  const { [key]: id, ...others } = state.devices[at] ?? {};
  if (id === undefined) return state;
  return { ...state, devices: state.devices.with(at, others), registered: state.registered - 1 };
}

function bucketOf(key: string): number {
  let hash = 0;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash, 31) + key.charCodeAt(at) | 0;
  return hash & (BUCKETS - 1);
}

function replaced(
  chunks: InternalServerState["chunks"],
  id: number,
  connection: Connection | null,
): InternalServerState["chunks"] {
  const at = id >> CHUNK_BITS;
  const next = chunks.slice();
  while (next.length <= at) next.push([]);
  const chunk = (next[at] ?? []).slice();
  const within = id & CHUNK_MASK;
  while (chunk.length <= within) chunk.push(null);
  chunk[within] = connection;
  next[at] = chunk;
  return next;
}
