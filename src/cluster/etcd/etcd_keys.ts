// What a cluster's instances write to etcd: one key for each instance, each car that is owned, and
// each car that an operator has placed.
import type { Member, Ownership } from "../state.ts";
import type { StoreContents } from "../store.ts";
import { type EtcdAnswer, fromBase64 } from "./etcd_client.ts";

/** The keys of one company below a common prefix. */
export interface EtcdKeys {
  /** Of all of them; ends in `/`. */
  readonly prefix: string;
  instance(id: string): string;
  car(name: string): string;
  pin(name: string): string;
}

export function etcdKeys(prefix: string, company: string): EtcdKeys {
  const root = `${prefix}/${company}/`;
  return {
    prefix: root,
    instance: (id) => `${root}instances/${id}`,
    car: (name) => `${root}cars/${name}`,
    pin: (name) => `${root}pins/${name}`,
  };
}

/** One key's change; `null`: it was deleted. */
export type KeyChange =
  | { readonly kind: "instance"; readonly id: string; readonly member: Member | null }
  | { readonly kind: "car"; readonly car: string; readonly ownership: Ownership | null }
  | { readonly kind: "pin"; readonly car: string; readonly to: string | null };

/**
 * The value for an ownership.
 *
 * The epoch of a take is the revision at which it was written, which etcd counts for all keys and
 * through all leases; only an offer, which is written later, has to repeat it.
 */
export function ownershipValue({ owner, epoch, to }: Ownership): string {
  return JSON.stringify(to === null ? { owner } : { owner, epoch, to });
}

/** Reads a key with its value; `undefined`: none of this cluster's, or not readable. */
export function readKey(keys: EtcdKeys, kv: EtcdAnswer, deleted: boolean): KeyChange | undefined {
  const key = fromBase64(kv.key);
  if (!key.startsWith(keys.prefix)) return undefined;
  const [kind, ...rest] = key.slice(keys.prefix.length).split("/");
  const name = rest.join("/");
  const value = deleted ? null : fromBase64(kv.value);
  try {
    switch (kind) {
      case "instances":
        return { kind: "instance", id: name, member: value === null ? null : JSON.parse(value) };
      case "cars": {
        const ownership = value === null ? null : ownershipOf(value, kv.mod_revision);
        return { kind: "car", car: name, ownership };
      }
      case "pins":
        return { kind: "pin", car: name, to: value };
    }
  } catch {
    // Written by somebody else: it is as if it were not there.
  }
  return undefined;
}

function ownershipOf(value: string, revision: unknown): Ownership {
  const { owner, epoch = Number(revision), to = null } = JSON.parse(value);
  return { owner: String(owner), epoch: Number(epoch), to };
}

/** Puts the keys of one range together. */
export function contentsOf(keys: EtcdKeys, kvs: readonly EtcdAnswer[]): StoreContents {
  const members: Member[] = [];
  const owners: Record<string, Ownership> = {};
  const pins: Record<string, string> = {};
  for (const kv of kvs) {
    const change = readKey(keys, kv, false);
    if (change?.kind === "instance" && change.member) members.push(change.member);
    if (change?.kind === "car" && change.ownership) owners[change.car] = change.ownership;
    if (change?.kind === "pin" && change.to) pins[change.car] = change.to;
  }
  return { members, owners, pins };
}
