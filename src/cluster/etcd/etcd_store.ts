// The store on etcd: one lease for an instance and all that it owns, one watch for all that happens.
import { Alarm, backoff, type Clock } from "../../time/mod.ts";
import type { Member, Ownership } from "../state.ts";
import { type ClusterStore, MemberExistsError, StoreError, type StoreListener } from "../store.ts";
import { base64, type EtcdAnswer, EtcdClient, type EtcdOptions, prefixOf } from "./etcd_client.ts";
import { contentsOf, type EtcdKeys, etcdKeys, ownershipValue, readKey } from "./etcd_keys.ts";

export interface EtcdStoreOptions extends Omit<EtcdOptions, "answerMs"> {
  /** Before the company in every key. */
  readonly prefix: string;
  readonly company: string;
  /** An instance that is silent for so long has left, in seconds; etcd's minimum is 2. */
  readonly leaseS: number;
}

/** An instance that cannot renew its lease stops so much earlier than others may begin. */
const SAFE_SHARE = 1 / 6;
/** Renewals within the time of a lease. */
const RENEWALS = 4;
const PAUSES = { firstMs: 200, maxMs: 2_000 };

interface Compare {
  readonly key: string;
  readonly target: "VALUE" | "CREATE" | "MOD";
  readonly [value: string]: string;
}

/** {@linkcode ClusterStore} on etcd. */
export class EtcdStore implements ClusterStore {
  readonly #options: EtcdStoreOptions;
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #keys: EtcdKeys;
  readonly #alarm: Alarm;
  readonly #end = new AbortController();
  readonly #members = new Map<string, Member>();
  readonly #loops: Promise<void>[] = [];
  #member: Member | undefined;
  #listener: StoreListener | undefined;
  #lease = "";
  /** When the lease must be taken for lost. */
  #heldUntil = -Infinity;
  #watching = new AbortController();
  #lost = false;

  constructor(options: EtcdStoreOptions) {
    this.#options = options;
    this.#clock = options.clock;
    const answerMs = options.leaseS * 1_000 / RENEWALS;
    this.#client = new EtcdClient({ ...options, answerMs });
    this.#keys = etcdKeys(options.prefix, options.company);
    this.#alarm = new Alarm(this.#clock, () => this.#onAlarm());
  }

  async start(member: Member, listener: StoreListener): Promise<void> {
    this.#member = member;
    this.#listener = listener;
    await this.#join();
    this.#loops.push(this.#watchOn(), this.#renewOn());
  }

  async describe(member: Member): Promise<void> {
    this.#member = member;
    await this.#transact([], [this.#put(this.#keys.instance(member.id), JSON.stringify(member))]);
  }

  claim(car: string, expected: Ownership | null): Promise<boolean> {
    const key = this.#keys.car(car);
    const owner = this.#member?.id ?? "";
    return this.#transact(this.#expect(key, expected), [
      this.#put(key, ownershipValue({ owner, epoch: 0, to: null })),
    ]);
  }

  offer(car: string, epoch: number, to: string): Promise<boolean> {
    const key = this.#keys.car(car);
    const owner = this.#member?.id ?? "";
    return this.#transact(this.#expect(key, { owner, epoch, to: null }), [
      this.#put(key, ownershipValue({ owner, epoch, to })),
    ]);
  }

  async release(car: string, epoch: number): Promise<void> {
    const key = this.#keys.car(car);
    const owner = this.#member?.id ?? "";
    await this.#transact(this.#expect(key, { owner, epoch, to: null }), [
      { request_delete_range: { key: base64(key) } },
    ]);
  }

  async ownerOf(car: string): Promise<Ownership | null> {
    const key = base64(this.#keys.car(car));
    const { kvs = [] } = await this.#client.ask("/v3/kv/range", { key });
    return contentsOf(this.#keys, kvs as EtcdAnswer[]).owners[car] ?? null;
  }

  async pin(car: string, to: string | null): Promise<void> {
    const key = base64(this.#keys.pin(car));
    const change = to === null
      ? { request_delete_range: { key } }
      : { request_put: { key, value: base64(to) } };
    await this.#transact([], [change]);
  }

  async stop(): Promise<void> {
    this.#end.abort();
    this.#watching.abort();
    this.#alarm.set(Infinity);
    await Promise.all(this.#loops);
    try {
      if (this.#lease !== "") await this.#client.ask("/v3/lease/revoke", { ID: this.#lease });
    } catch {
      // It runs out by itself.
    }
    this.#client[Symbol.dispose]();
  }

  /** Gets a lease and enters the instance, as soon as no other of this name is alive. */
  async #join(): Promise<void> {
    const { leaseS } = this.#options;
    const member = this.#member;
    if (member === undefined) return;
    const givenUpAt = this.#clock.now() + (leaseS + 2) * 1_000;
    const pauses = backoff(PAUSES);
    for (;;) {
      try {
        const askedAt = this.#clock.now();
        const { ID } = await this.#client.ask("/v3/lease/grant", { TTL: String(leaseS) });
        this.#lease = String(ID);
        const key = this.#keys.instance(member.id);
        const entered = await this.#transact(this.#expect(key, null), [
          this.#put(key, JSON.stringify(member)),
        ]);
        if (entered) return this.#hold(askedAt);
        await this.#client.ask("/v3/lease/revoke", { ID: this.#lease });
        // Its predecessor may have been killed: the lease of that one outlives it.
        if (this.#clock.now() > givenUpAt) throw new MemberExistsError(member.id);
      } catch (error) {
        if (error instanceof MemberExistsError || this.#end.signal.aborted) throw error;
        this.#away(error);
      }
      await this.#pause(pauses.next().value);
      this.#end.signal.throwIfAborted();
    }
  }

  #hold(askedAt: number): void {
    this.#lost = false;
    this.#heldUntil = askedAt + this.#options.leaseS * 1_000 * (1 - SAFE_SHARE);
    this.#alarm.set(this.#heldUntil);
  }

  /** The alarm may be early: renewals move the end of the lease on. */
  #onAlarm(): void {
    if (this.#clock.now() < this.#heldUntil) this.#alarm.set(this.#heldUntil);
    else this.#loseLease(`not renewed for ${this.#options.leaseS * (1 - SAFE_SHARE)} s`);
  }

  #loseLease(reason: string): void {
    if (this.#lost || this.#end.signal.aborted) return;
    this.#lost = true;
    this.#heldUntil = -Infinity;
    this.#listener?.onLeaseLost(reason);
    this.#watching.abort();
  }

  async #renewOn(): Promise<void> {
    const everyMs = this.#options.leaseS * 1_000 / RENEWALS;
    while (!this.#end.signal.aborted) {
      await this.#pause(everyMs);
      if (this.#lost || this.#end.signal.aborted) continue;
      const askedAt = this.#clock.now();
      const lease = this.#lease;
      try {
        const answer = await this.#client.ask("/v3/lease/keepalive", { ID: lease });
        const { TTL } = (answer.result ?? {}) as EtcdAnswer;
        if (lease !== this.#lease || this.#lost) continue;
        if (TTL === undefined) this.#loseLease("etcd has let it run out");
        else this.#hold(askedAt);
      } catch (error) {
        this.#away(error);
        // The watch may hang at the same endpoint without a word.
        this.#watching.abort();
      }
    }
  }

  /** Reads everything, then what changes; from the beginning whenever that ends. */
  async #watchOn(): Promise<void> {
    let pauses = backoff(PAUSES);
    while (!this.#end.signal.aborted) {
      try {
        if (this.#lost) await this.#join();
        this.#watching = new AbortController();
        const found = await this.#client.ask("/v3/kv/range", prefixOf(this.#keys.prefix));
        const { revision } = found.header as { readonly revision: string };
        const contents = contentsOf(this.#keys, (found.kvs ?? []) as EtcdAnswer[]);
        this.#members.clear();
        for (const member of contents.members) this.#members.set(member.id, member);
        if (this.#lost) continue;
        this.#listener?.onJoined(contents);
        await this.#describeAgain();
        pauses = backoff(PAUSES);
        await this.#follow(Number(revision) + 1);
      } catch (error) {
        this.#away(error);
      }
      if (!this.#end.signal.aborted) await this.#pause(pauses.next().value);
    }
  }

  /** What could not be written while etcd was away. */
  async #describeAgain(): Promise<void> {
    const member = this.#member;
    if (member === undefined) return;
    const known = this.#members.get(member.id);
    if (JSON.stringify(known) !== JSON.stringify(member)) await this.describe(member);
  }

  async #follow(revision: number): Promise<void> {
    const { prefix } = this.#keys;
    for await (const answer of this.#client.watch(prefix, revision, this.#watching.signal)) {
      if (answer.canceled === true) {
        throw new StoreError(`etcd ended the watch: ${String(answer.cancel_reason)}`);
      }
      for (const { type, kv } of (answer.events ?? []) as { type?: string; kv: EtcdAnswer }[]) {
        this.#onChange(kv, type === "DELETE");
      }
    }
    throw new StoreError("etcd ended the watch");
  }

  #onChange(kv: EtcdAnswer, deleted: boolean): void {
    const change = readKey(this.#keys, kv, deleted);
    const listener = this.#listener;
    if (change?.kind === "car") listener?.onOwner(change.car, change.ownership);
    if (change?.kind === "pin") listener?.onPin(change.car, change.to);
    if (change?.kind !== "instance") return;
    if (change.member === null) this.#members.delete(change.id);
    else this.#members.set(change.id, change.member);
    listener?.onMembers([...this.#members.values()]);
  }

  #away(error: unknown): void {
    if (this.#end.signal.aborted || this.#lost) return;
    this.#listener?.onStoreLost(error instanceof Error ? error.message : String(error));
  }

  #expect(key: string, expected: Ownership | null): readonly Compare[] {
    const encoded = base64(key);
    if (expected === null) return [{ key: encoded, target: "CREATE", create_revision: "0" }];
    const value: Compare = {
      key: encoded,
      target: "VALUE",
      value: base64(ownershipValue(expected)),
    };
    if (expected.to !== null) return [value];
    return [value, { key: encoded, target: "MOD", mod_revision: String(expected.epoch) }];
  }

  #put(key: string, value: string): object {
    return { request_put: { key: base64(key), value: base64(value), lease: this.#lease } };
  }

  async #transact(compare: readonly Compare[], success: readonly object[]): Promise<boolean> {
    const { succeeded } = await this.#client.ask("/v3/kv/txn", { compare, success });
    return succeeded === true;
  }

  /** Waits, no longer than until the end. */
  #pause(ms: number): Promise<void> {
    const { signal } = this.#end;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const timer = this.#clock.set(() => {
        signal.removeEventListener("abort", onEnd);
        resolve();
      }, ms);
      const onEnd = () => {
        this.#clock.clear(timer);
        resolve();
      };
      signal.addEventListener("abort", onEnd, { once: true });
    });
  }
}
