// The driver of one car's conversation: adopts the car, serves it, releases it, and connects again after a
// loss of the connection if the car is still this instance's.
import type { Car, Turn } from "../car/mod.ts";
import type { Log } from "../log/mod.ts";
import { type Clock, type TimerHandle, within } from "../time/mod.ts";
import {
  type BrokerTrouble,
  type CarTransport,
  type CarTransportOptions,
  type Connector,
  type MessageLimits,
  newTransportStats,
  type TransportListener,
  type TransportStats,
} from "../transport/mod.ts";
import type {
  Adoption,
  CarClusterListener,
  ConnectAgainReason,
  Release,
  Taking,
} from "./car_cluster.ts";
import { OwnedConversation } from "./owned_conversation.ts";
import { OwnershipProof } from "./ownership_proof.ts";
import { Quiet } from "./quiet.ts";
import type { Decision } from "./takeover.ts";

/** A released car's calls may take so long, in milliseconds; a gateway waits 30 s for an answer. */
const DRAIN_MS = 1_500;
/** Module contexts are awaited so long, in milliseconds: half of the gateway's patience. */
const MODULES_MS = 15_000;
/** After so long, a connection is stable and pauses start over, in milliseconds. */
const PROVEN_MS = 10_000;

export interface CarConversationOptions {
  readonly transport: CarTransportOptions;
  readonly connector: Pick<Connector, "createConversation">;
  readonly listener: CarClusterListener;
  readonly log: Log;
  readonly clock: Clock;
  /** The car is removed. */
  readonly onStopped: () => void;
}

/** One adoption, with its reconnections. */
interface Ownership extends Taking {
  readonly car: Car;
  /** When it was asked for, or its connection was lost. */
  since: number;
  /** Who waits for its outcome; `null`: nobody, it is served or was. */
  resolve: ((adoption: Adoption) => void) | null;
  owned: OwnedConversation | null;
  servedSince: number | null;
  /** Awaited before the car is handed over; `null`: it stays. */
  quiet: Quiet | null;
  readonly proof: OwnershipProof;
}

type GoOn = Decision & { readonly type: "go_on" };
type ConnectAgain =
  & Pick<Decision & { readonly type: "connect_again" }, "detail" | "session" | "uncovered">
  & { readonly reason: ConnectAgainReason };

/** The transport of a car that several servers may serve. */
export class CarConversation implements CarTransport {
  readonly stats: Readonly<TransportStats>;
  readonly #stats = newTransportStats();
  readonly #options: CarConversationOptions;
  readonly #log: Log;
  #limits: MessageLimits;
  #listener: TransportListener | null = null;
  /** `null`: the car is not this instance's. */
  #ownership: Ownership | null = null;
  /** While modules are awaited. */
  #timer: TimerHandle | undefined;
  /** Before a move to another broker. */
  #moving: TimerHandle | undefined;
  #failure: { readonly reason: string; readonly attempts: number } | null = null;
  #paused = false;
  /** What a decision to go on waits for. */
  #onModules: (() => void) | null = null;
  /** Connections that are closing. */
  #leaving: Promise<unknown> = Promise.resolve();

  constructor(options: CarConversationOptions) {
    this.stats = this.#stats;
    this.#options = options;
    this.#limits = options.transport;
    this.#log = options.log.forCar(options.transport.car);
  }

  get trouble(): BrokerTrouble | null {
    const ownership = this.#ownership;
    if (ownership === null || ownership.owned?.isServing === true) return null;
    return {
      reason: this.#failure?.reason ?? null,
      attempts: this.#failure?.attempts ?? 0,
      nextAttemptAt: null,
    };
  }

  /** It connects when the car is adopted. */
  start(listener: TransportListener): void {
    this.#listener = listener;
  }

  publish(payload: Uint8Array): void {
    const ownership = this.#ownership;
    ownership?.owned?.publish(payload);
    // What was held back is sent outside of turns.
    const quiet = ownership?.quiet;
    if (quiet) queueMicrotask(() => quiet.check());
  }

  notifyDisconnect(): void {
    this.#ownership?.owned?.notifyDisconnect();
  }

  pause(): void {
    this.#paused = true;
    this.#ownership?.owned?.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#ownership?.quiet === null) this.#ownership.owned?.resume();
  }

  limitMessages(limits: MessageLimits): void {
    this.#limits = limits;
    this.#ownership?.owned?.conversation?.limit(limits);
  }

  /** The broker is another one, or the login: with its session there, or as if for the first time. */
  reconnect(reason: string, withinMs: number): void {
    const ownership = this.#ownership;
    if (ownership === null) return;
    const { clock } = this.#options;
    this.#moving ??= clock.set(() => {
      this.#moving = undefined;
      if (this.#ownership !== ownership || ownership.quiet !== null) return;
      this.#log.info(() => `Leaving the broker: ${reason}`);
      this.#leaving = Promise.allSettled([this.#leaving, ownership.owned?.leave()]);
    }, Math.random() * withinMs);
  }

  /** What the session has become is the last checkpoint. */
  async stop(): Promise<void> {
    const ownership = this.#ownership;
    this.#ownership = null;
    this.#listener = null;
    this.#forget();
    ownership?.proof.stop();
    if (this.#moving !== undefined) this.#options.clock.clear(this.#moving);
    this.#moving = undefined;
    this.#options.onStopped();
    ownership?.resolve?.({ kind: "lost", detail: "The car was removed" });
    const owned = ownership?.owned;
    if (ownership !== null) ownership.owned = null;
    await Promise.allSettled([this.#leaving, owned?.leave()]);
  }

  /** See {@linkcode CarCluster.adopt}. */
  async adopt(car: Car, taking: Taking): Promise<Adoption> {
    await this.abandon("It is adopted once more");
    const { clock, listener } = this.#options;
    const { promise, resolve } = Promise.withResolvers<Adoption>();
    const ownership: Ownership = {
      ...taking,
      car,
      since: clock.now(),
      resolve,
      owned: null,
      servedSince: null,
      quiet: null,
      proof: new OwnershipProof({
        clock,
        prove: () => listener.proveOwnership(car.name, taking.epoch),
        onProved: () => this.#connect(ownership),
        onDenied: () => this.#lose(ownership, "Another instance owns it"),
        onUnknown: (reason) => this.#log.debug(() => `Cannot prove ownership: ${reason}`),
      }),
    };
    this.#ownership = ownership;
    this.#failure = null;
    this.#connect(ownership);
    return await promise;
  }

  /** See {@linkcode CarCluster.release}. */
  async release(): Promise<Release> {
    const ownership = this.#ownership;
    const owned = ownership?.owned;
    if (ownership === null || owned?.isServing !== true) {
      await this.abandon("It was released");
      return { kind: "unfinished", detail: "The car had no connection to its broker" };
    }
    const { car } = ownership;
    const quiet = new Quiet(car);
    ownership.quiet = quiet;
    owned.pause();
    const ended = Promise.all([car.holdCommands(), quiet.reached]);
    const isQuiet = await within(ended, DRAIN_MS, this.#options.clock);
    if (this.#ownership !== ownership) {
      return { kind: "unfinished", detail: "The connection was lost meanwhile" };
    }
    this.#ownership = null;
    ownership.proof.stop();
    const leaving = owned.leave();
    this.#leaving = leaving;
    car.handOver();
    const isWritten = await leaving;
    if (isQuiet && isWritten) return { kind: "exact" };
    const detail = isWritten
      ? "Statuses were still with their modules"
      : "The broker has not confirmed the last checkpoint";
    return { kind: "unfinished", detail };
  }

  /** See {@linkcode CarCluster.abandon}. */
  async abandon(why: string): Promise<void> {
    if (this.#ownership !== null) this.#lose(this.#ownership, why);
    await this.#leaving;
  }

  /** See {@linkcode TurnSubscriber}. */
  onTurn({ before, after }: Turn): void {
    const ownership = this.#ownership;
    if (ownership === null) return;
    if (this.#onModules !== null && after.base.modulesReady) {
      const go = this.#onModules;
      this.#onModules = null;
      // The car is in the middle of this turn.
      queueMicrotask(go);
    }
    ownership.quiet?.check();
    const hasChanged = before.kind !== after.kind || before.base.paused !== after.base.paused;
    // A connect sequence can be continued only if no answer has come since the checkpoint.
    if (hasChanged || after.kind === "connecting") ownership.owned?.writeCheckpoint();
  }

  #connect(ownership: Ownership): void {
    const { transport, connector, clock } = this.#options;
    const { car, epoch, minEpoch } = ownership;
    const owned: OwnedConversation = new OwnedConversation({
      epoch,
      minEpoch,
      source: car,
      clock,
      listener: {
        onDecision: (decision) => {
          if (ownership.owned === owned) this.#onDecision(ownership, owned, decision);
        },
        onMessage: (payload) => this.#listener?.onMessage(payload),
        onClosed: (reason) => {
          if (ownership.owned === owned) this.#onClosed(ownership, reason);
        },
      },
    });
    ownership.owned = owned;
    const { maxMessageBytes, maxMessagesPerSecond } = this.#limits;
    connector.createConversation({
      ...transport,
      maxMessageBytes,
      maxMessagesPerSecond,
      epoch,
      stats: this.#stats,
      listener: owned,
    }).then((conversation) => {
      if (ownership.owned === owned) owned.open(conversation);
    }).catch((error) => owned.onClosed({ reason: (error as Error).message }));
  }

  #onDecision(ownership: Ownership, owned: OwnedConversation, decision: Decision): void {
    switch (decision.type) {
      case "leave":
        return this.#lose(ownership, `An owner with epoch ${decision.epoch} has taken it`);
      case "connect_again":
        return this.#connectAgain(ownership, owned, decision);
      case "go_on":
        if (ownership.car.session.base.modulesReady) {
          return this.#goOn(ownership, owned, decision);
        }
        return this.#awaitModules(ownership, owned, decision);
    }
  }

  #awaitModules(ownership: Ownership, owned: OwnedConversation, decision: GoOn): void {
    this.#onModules = () => {
      if (ownership.owned !== owned) return;
      this.#forget();
      this.#goOn(ownership, owned, decision);
    };
    this.#timer = this.#options.clock.set(() => {
      this.#onModules = null;
      const { session: { base }, uncovered } = decision;
      const session = { kind: "offline", base: { ...base, toldAt: null } } as const;
      const detail = `The car has had no module contexts for ${MODULES_MS} ms`;
      this.#connectAgain(ownership, owned, {
        reason: "modules_missing",
        detail,
        session,
        uncovered,
      });
    }, MODULES_MS);
  }

  #goOn(ownership: Ownership, owned: OwnedConversation, decision: GoOn): void {
    const { session, missed, uncovered } = decision;
    this.#serve(ownership, owned, uncovered, () => ownership.car.takeOver(session, missed));
    const tookMs = this.#options.clock.now() - ownership.since;
    this.#log.info(() => `Took the session over after ${Math.round(tookMs)} ms`);
    this.#tell(ownership, { kind: "exact", tookMs });
  }

  /** As if the car connected for the first time, which tells the gateway. */
  #connectAgain(ownership: Ownership, owned: OwnedConversation, decision: ConnectAgain): void {
    const { reason, detail, session, uncovered } = decision;
    this.#serve(ownership, owned, uncovered, () => {
      ownership.car.takeOver(session, []);
      this.#listener?.onConnected();
      this.#listener?.onUp();
    });
    const tookMs = this.#options.clock.now() - ownership.since;
    // The first owner of a car finds none.
    const level = reason === "no_checkpoint" ? "info" : "warning";
    this.#log[level](() => `Cannot take the session over: ${reason}: ${detail}`);
    this.#tell(ownership, { kind: "connect_again", reason, detail, tookMs });
  }

  #serve(
    ownership: Ownership,
    owned: OwnedConversation,
    uncovered: readonly number[],
    begin: () => void,
  ): void {
    this.#stats.connects++;
    this.#failure = null;
    ownership.servedSince = this.#options.clock.now();
    if (this.#paused) owned.pause();
    owned.serve(uncovered, begin);
  }

  #onClosed(ownership: Ownership, reason: string): void {
    const { clock } = this.#options;
    const { servedSince } = ownership;
    ownership.owned = null;
    this.#forget();
    this.#failure = { reason, attempts: (this.#failure?.attempts ?? 0) + 1 };
    if (servedSince !== null) {
      this.#stats.disconnects++;
      ownership.since = clock.now();
      ownership.servedSince = null;
      if (clock.now() - servedSince >= PROVEN_MS) ownership.proof.startOver();
      this.#listener?.onDown(`Lost the broker: ${reason}`);
      if (ownership.quiet !== null) {
        this.#ownership = null;
        return ownership.quiet.giveUp();
      }
    }
    ownership.proof.begin();
  }

  #lose(ownership: Ownership, detail: string): void {
    const { owned, servedSince } = ownership;
    this.#ownership = null;
    ownership.owned = null;
    this.#forget();
    ownership.proof.stop();
    ownership.quiet?.giveUp();
    if (owned !== null) this.#leaving = Promise.allSettled([this.#leaving, owned.destroy()]);
    if (servedSince !== null) this.#listener?.onDown(detail);
    this.#log.info(() => `Serving the car no longer: ${detail}`);
    this.#tell(ownership, { kind: "lost", detail });
  }

  #tell(ownership: Ownership, adoption: Adoption): void {
    const { resolve, car } = ownership;
    ownership.resolve = null;
    if (resolve !== null) resolve(adoption);
    else this.#options.listener.onReadopted(car.name, adoption);
  }

  /** Modules are awaited no more. */
  #forget(): void {
    if (this.#timer !== undefined) this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
    this.#onModules = null;
  }
}
