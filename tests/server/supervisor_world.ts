// The world around the supervisor's core: hosts, contexts and time, as a test wants them. Checks with
// every step what must hold at any time.
import assert from "node:assert/strict";
import {
  type Blame,
  type ContextHostKind,
  type ContextSpec,
  hostKindOf,
} from "../../src/module/context.ts";
import { trustOf } from "../../src/server/supervision/quarantine.ts";
import { nextDeadline, step } from "../../src/server/supervision/core.ts";
import type { SupervisorEffect, SupervisorInput } from "../../src/server/supervision/effects.ts";
import { type CarEntry, NOBODY, type SupervisorState } from "../../src/server/supervision/state.ts";
import { specOf } from "./modules_fixture.ts";

/** More than any world needs to settle. */
const MANY = 10_000;

/** A context in the world. */
export interface WorldContext {
  readonly car: number;
  readonly context: number;
  readonly host: number;
  readonly spec: ContextSpec;
  stage: "opening" | "open" | "leaving";
}

/** The module that is a script. */
export const SCRIPT = 5;

/** What a context is made from; another `version` is another configuration, or another content. */
export function versioned(car: string, module: number, version: number): ContextSpec {
  const spec = specOf(car, module);
  if (module === SCRIPT) return { ...spec, script: { files: [], hash: String(version) } };
  return { ...spec, parameters: [["version", String(version)]] };
}

/** Starts with neither cars nor hosts. */
export class World {
  state: SupervisorState = NOBODY;
  now = 0;
  random = 0.5;
  readonly contextsPerHost: number;
  /** Living hosts, and how many places of each cannot be used. */
  readonly hosts = new Map<number, number>();
  /** What kind each host is of that was ever started. */
  readonly kinds = new Map<number, ContextHostKind>();
  readonly contexts = new Map<number, WorldContext>();
  /** Contexts that serve their cars: `car/module`. */
  readonly serving = new Map<string, number>();
  readonly ready = new Set<number>();
  /** Cars that have a session. */
  readonly active = new Set<number>();
  #nextCar = 1;

  constructor(contextsPerHost = 15) {
    this.contextsPerHost = contextsPerHost;
  }

  /** A car with these modules, whose contexts are being opened. */
  add(modules: readonly number[], unproven = false): number {
    const car = this.#nextCar++;
    const name = `car_${car}`;
    const specs = modules.map((module) => versioned(name, module, 0));
    this.take({ type: "add", car, name, specs, unproven });
    return car;
  }

  car(id: number): CarEntry | undefined {
    return this.state.cars.find((car) => car.id === id);
  }

  /** A car has a session, or no longer. */
  session(car: number, active: boolean): void {
    if (active) this.active.add(car);
    else this.active.delete(car);
    this.take({ type: "session", car, active });
  }

  /** A car ends its session, and takes what was prepared for it. */
  takeOver(car: number): void {
    if (this.car(car)?.coming === null) return;
    this.session(car, false);
    this.#release(car);
    this.take({ type: "take_over", car });
  }

  /** This many places of a host cannot be used. */
  block(host: number, count: number): void {
    this.hosts.set(host, count);
    this.take({ type: "blocked", host, count });
  }

  /** Every car had a session that has ended. */
  restSessions(): void {
    for (const { id } of this.state.cars) this.session(id, true);
    for (const { id } of this.state.cars) this.session(id, false);
  }

  /** Contexts at a stage, oldest first. */
  at(stage: WorldContext["stage"]): WorldContext[] {
    return [...this.contexts.values()].filter((context) => context.stage === stage);
  }

  /** The hosts of a car's contexts. */
  hostsOf(car: number): number[] {
    return [...this.contexts.values()].filter((one) => one.car === car).map(({ host }) => host);
  }

  /** The contexts of a host. */
  on(host: number): WorldContext[] {
    return [...this.contexts.values()].filter((context) => context.host === host);
  }

  opened(opening: WorldContext): void {
    const { car, context, host } = opening;
    opening.stage = "open";
    this.take({ type: "opened", car, context, host });
  }

  failed({ car, context, host }: WorldContext, blame: Blame = "none"): void {
    this.contexts.delete(context);
    this.take({ type: "failed", car, context, host, message: "no", detail: "no", blame });
  }

  destroyed({ car, context, host }: WorldContext): void {
    this.contexts.delete(context);
    this.take({ type: "destroyed", car, context, host });
  }

  /** A process ends: contexts are lost, those that were being made fail. */
  crash(host: number, blameOf: (context: WorldContext) => Blame = () => "possible"): void {
    this.hosts.delete(host);
    const there = this.on(host);
    for (const one of there.filter(({ stage }) => stage === "open")) {
      const { car, context } = one;
      this.contexts.delete(context);
      this.take({ type: "lost", car, context, host, reason: "SIGSEGV", blame: blameOf(one) });
    }
    this.take({ type: "host_gone", host, reason: "SIGSEGV" });
    for (const one of there) {
      if (one.stage === "leaving") this.destroyed(one);
      if (one.stage === "opening") {
        this.failed(one, blameOf(one) === "none" ? "none" : "likely");
      }
    }
  }

  /** Goes to a moment, by way of everything that is due before. */
  until(moment: number): void {
    for (let ticks = 0;; ticks++) {
      const due = nextDeadline(this.state, this.contextsPerHost);
      if (due === null || due > moment) break;
      assert.ok(ticks < MANY, "a tick changes nothing");
      this.now = Math.max(this.now, due);
      this.take({ type: "tick" });
    }
    this.now = moment;
  }

  /** Lets a context come into being, if its host is alive. */
  open(opening: WorldContext): void {
    if (this.hosts.has(opening.host)) this.opened(opening);
    else this.failed(opening);
  }

  /** Lets everything succeed until every context is there and nothing is to be destroyed. */
  settle(): void {
    for (let steps = 0;; steps++) {
      assert.ok(steps < MANY, "it does not come to an end");
      const [opening] = this.at("opening");
      const [leaving] = this.at("leaving");
      if (opening) this.open(opening);
      else if (leaving) this.destroyed(leaving);
      else if (this.state.cars.every(({ serving: { retryAt } }) => retryAt === null)) return;
      else this.until(nextDeadline(this.state, this.contextsPerHost) ?? this.now);
    }
  }

  /** Lets time pass until nothing is due, and everything succeed. */
  rest(): void {
    for (let steps = 0;; steps++) {
      assert.ok(steps < MANY, "it does not come to an end");
      this.settle();
      const due = nextDeadline(this.state, this.contextsPerHost);
      if (due === null) return;
      this.until(due);
    }
  }

  /** Takes an input, and lets the world follow the effects. */
  take(input: SupervisorInput): readonly SupervisorEffect[] {
    const { now, random, contextsPerHost } = this;
    const before = JSON.stringify(this.state);
    const { state, effects } = step(this.state, input, { now, random, contextsPerHost });
    assert.equal(JSON.stringify(this.state), before, "the state before was changed");
    assert.deepEqual(JSON.parse(JSON.stringify(state)), state, "the state is no plain value");
    this.state = state;
    for (const effect of effects) this.#follow(effect);
    this.#check();
    return effects;
  }

  #follow(effect: SupervisorEffect): void {
    switch (effect.type) {
      case "start_host":
        assert.ok(!this.hosts.has(effect.host), "a host was started twice");
        this.hosts.set(effect.host, 0);
        this.kinds.set(effect.host, effect.kind);
        return;
      case "stop_host":
        assert.deepEqual(this.on(effect.host), [], "a host was stopped that has contexts");
        this.hosts.delete(effect.host);
        return;
      case "open": {
        const { car, context, host, spec } = effect;
        const entry = this.car(car)?.serving.contexts.find(({ id }) => id === context);
        assert.ok(
          !this.contexts.has(entry?.replaces ?? 0),
          "a context moves before it is destroyed",
        );
        this.contexts.set(context, { car, context, host, spec, stage: "opening" });
        assert.equal(
          this.kinds.get(host),
          hostKindOf(spec),
          "a context is in another kind of host",
        );
        return this.#checkCompany(effect);
      }
      case "release":
        assert.ok(!this.active.has(effect.car), "a session was ended for a move");
        return this.#release(effect.car);
      case "attach": {
        const context = this.contexts.get(effect.context);
        assert.ok(context?.car === effect.car && context.stage !== "leaving");
        context.stage = "open";
        this.serving.set(`${effect.car}/${context.spec.module}`, effect.context);
        return;
      }
      case "destroy": {
        const context = this.contexts.get(effect.context);
        // One that was lost before it was known to be open.
        if (context !== undefined) context.stage = "leaving";
        return;
      }
      case "ready":
        this.ready.add(effect.car);
        for (const { module } of this.car(effect.car)?.serving.specs ?? []) {
          const context = this.contexts.get(this.serving.get(`${effect.car}/${module}`) ?? 0);
          assert.equal(context?.stage, "open", "a car was told of contexts that are not there");
        }
        return;
    }
  }

  #release(car: number): void {
    this.ready.delete(car);
    for (const key of this.serving.keys()) {
      if (key.startsWith(`${car}/`)) this.serving.delete(key);
    }
  }

  /** Who is trusted, or has to prove itself, shares with its like only. */
  #checkCompany({ car, context, host }: SupervisorEffect & { type: "open" }): void {
    const sets = this.state.cars.flatMap(({ serving, coming }) =>
      coming ? [serving, coming] : [serving]
    );
    const setOf = (id: number) =>
      sets.find(({ contexts }) => contexts.some((one) => one.id === id));
    const kindOf = (id: number, modules: readonly number[]) => {
      const set = setOf(id);
      const standing = set === undefined ? "trusted" : trustOf(set, modules, this.now);
      return standing === "doubted" || standing === "suspect" ? "dangerous" : standing;
    };
    const opening = setOf(context)?.contexts.filter(({ stage }) => stage === "opening") ?? [];
    const mine = kindOf(context, opening.map(({ spec }) => spec.module));
    for (const other of this.on(host)) {
      // Contexts that leave, or will leave once opened, are not wanted.
      if (other.car === car || setOf(other.context) === undefined) continue;
      assert.equal(kindOf(other.context, [other.spec.module]), mine, "it shares with others");
    }
  }

  #check(): void {
    for (const [host, blocked] of this.hosts) {
      const count = this.on(host).length + blocked;
      assert.ok(count <= this.contextsPerHost, `host ${host} has ${count} contexts`);
    }
    // An opened context that was not requested is not forgotten.
    for (const { car, context, stage } of this.contexts.values()) {
      if (stage !== "open") continue;
      const entry = this.car(car);
      const known = [...entry?.serving.contexts ?? [], ...entry?.coming?.contexts ?? []];
      assert.ok(known.some(({ id }) => id === context), "an open context belongs to nobody");
    }
  }
}
