// The devices of a gateway as a value: one that reports changes alone, so a step copies a chunk
// instead of a thousand entries.
import { deviceKey } from "../protocol/mod.ts";
import type { KnownDevice } from "./state.ts";

/** Devices in the order in which they came; see {@linkcode NO_DEVICES}. */
export interface DeviceMap {
  /** Places by identity; these change when a device comes or goes. */
  readonly places: Readonly<Record<string, number>>;
  readonly chunks: readonly (readonly KnownDevice[])[];
}

const CHUNK_BITS = 5;
const CHUNK_SIZE = 1 << CHUNK_BITS;

export const NO_DEVICES: DeviceMap = { places: {}, chunks: [] };

export function deviceOf({ places, chunks }: DeviceMap, key: string): KnownDevice | undefined {
  const place = places[key];
  if (place === undefined) return undefined;
  return chunks[place >> CHUNK_BITS]?.[place & (CHUNK_SIZE - 1)];
}

export function* allDevices({ chunks }: DeviceMap): Generator<KnownDevice> {
  for (const chunk of chunks) yield* chunk;
}

/** Replaces a device, or adds it behind the others. */
export function withDevice(map: DeviceMap, known: KnownDevice): DeviceMap {
  const key = deviceKey(known.device);
  const place = map.places[key];
  if (place === undefined) return added(map, key, known);
  const at = place >> CHUNK_BITS;
  const chunk = (map.chunks[at] ?? []).with(place & (CHUNK_SIZE - 1), known);
  return { places: map.places, chunks: map.chunks.with(at, chunk) };
}

/** Without a device; those behind it move up. */
export function withoutDevice(map: DeviceMap, key: string): DeviceMap {
  if (map.places[key] === undefined) return map;
  return mapOf([...allDevices(map)].filter(({ device }) => deviceKey(device) !== key));
}

/** Devices that differ from each other, in this order. */
export function mapOf(all: readonly KnownDevice[]): DeviceMap {
  const chunks: KnownDevice[][] = [];
  for (let at = 0; at < all.length; at += CHUNK_SIZE) chunks.push(all.slice(at, at + CHUNK_SIZE));
  return {
    places: Object.fromEntries(all.map(({ device }, place) => [deviceKey(device), place])),
    chunks,
  };
}

function added({ places, chunks }: DeviceMap, key: string, known: KnownDevice): DeviceMap {
  const last = chunks.at(-1);
  const hasRoom = last !== undefined && last.length < CHUNK_SIZE;
  const full = hasRoom ? chunks.slice(0, -1) : chunks;
  const place = full.length * CHUNK_SIZE + (hasRoom ? last.length : 0);
  return {
    places: { ...places, [key]: place },
    chunks: [...full, hasRoom ? [...last, known] : [known]],
  };
}
