// What must always hold for a session, checked from the outside: only inputs and effects
// count, nothing is computed the way the session does it.
import assert from "node:assert/strict";
import type { Effect, Input } from "../../src/session/effects.ts";
import type { Failure } from "../../src/session/failure.ts";
import { SETTINGS } from "./support.ts";
import { nextDeadline } from "../../src/session/session.ts";
import type { Session } from "../../src/session/state.ts";
import { counterDistance, nextCounter } from "../../src/protocol/counter.ts";
import { deviceKey } from "../../src/protocol/device.ts";
import {
  CommandResponseType,
  ConnectResponseType,
  type Device,
} from "../../src/protocol/messages.ts";

const decoder = new TextDecoder();

/** Silence after a message that asks a gateway to connect again [TELL-ONCE]. */
const SILENCE_MS = 5000;

/** What is remembered of one session; a new one begins when the one before has ended. */
class SessionRecord {
  readonly delivered = new Set<number>();
  readonly answered = new Set<number>();
  readonly forwarded = new Set<number>();
  /** Counter of the last status that was forwarded, and of the last one answered in its turn. */
  lastForwarded: number | null = null;
  lastAnswered: number | null = null;
  /** Command counters by the data of the command. */
  readonly commands = new Map<string, number>();
  readonly accepted = new Set<number>();
  lastAcknowledged: number | null = null;
}

/** What makes a gateway connect again, as lines; other effects do not. */
function wordsOf(effect: Effect): string[] {
  if (effect.type === "notify") return ["notification"];
  if (effect.type !== "publish" || effect.message.kind !== "connect_response") return [];
  const { sessionId, type } = effect.message;
  return type === ConnectResponseType.OK ? [] : [`already logged ${sessionId}`];
}

/** Whether it is a second Connect of a session that goes on, which is answered [SESSION-ALREADY-LOGGED]. */
function isSecondConnect(before: Session, input: Input): boolean {
  return before.kind === "running" && input.type === "message" &&
    input.message.kind === "connect" && input.message.sessionId === before.sessionId;
}

/** The table after [TELL-ONCE], for sessions that end and Connects that fail. */
function wordsOfEnd({ reason, sessionId }: Failure, before: Session, input: Input): string[] {
  const again = [`already logged ${sessionId}`];
  // A gateway that fell silent in its sequence may be in the next one by now.
  if (before.kind === "connecting" && input.type === "tick") return [];
  switch (reason) {
    case "new_session":
      return [];
    case "broker_lost":
      return input.type === "broker_leaving" ? again : [];
    case "all_devices_gone":
      return ["notification"];
    case "stopped":
      if (input.type === "pause") return ["notification"];
      return input.type === "stop" && input.detail === undefined ? [] : again;
    default:
      return again;
  }
}

/** The same table, for gateways that have no session with us. */
function wordsWithoutSession(before: Session, input: Input): string[] {
  const { kind, base: { paused } } = before;
  if (kind === "offline" && input.type === "broker_connected") {
    return [paused ? "notification" : "already logged "];
  }
  if (kind !== "waiting") return [];
  if (input.type === "pause" && !paused) return ["notification"];
  if (input.type !== "message" || input.message.kind === "connect") return [];
  return paused || before.held !== null ? [] : [`already logged ${input.message.sessionId}`];
}

/** The observer of one session's whole life. */
export class Rules {
  #record = new SessionRecord();
  #nextCommand = 0;
  /** First status counter by session id. */
  readonly #firstCounter = new Map<string, number>();
  /** Forwards a module has not returned from. */
  readonly #forwarding = new Set<string>();
  /** Devices as their modules see them: connected, or refused and not disconnected since. */
  readonly #atModule = new Map<string, { readonly module: number; readonly connected: boolean }>();
  /** When the gateway was told something that it has not answered with a Connect. */
  #toldAt = -Infinity;
  /** How often things happened, so that a test can tell that it tested something. */
  readonly counts = {
    sessions: 0,
    running: 0,
    answers: 0,
    forwards: 0,
    acknowledged: 0,
    ended: 0,
    told: 0,
  };

  onConnect(sessionId: string, firstCounter: number): void {
    this.#firstCounter.set(sessionId, firstCounter);
  }

  /** Looks at one step from outside. */
  onStep(
    before: Session,
    input: Input,
    effects: readonly Effect[],
    after: Session,
    now: number,
  ): void {
    this.#onWords(before, input, effects, now);
    const established = before.kind === "connecting" || before.kind === "running";
    if (established && input.type === "message" && input.message.sessionId === before.sessionId) {
      const { message } = input;
      if (message.kind === "status") this.#record.delivered.add(message.messageCounter);
      if (message.kind === "command_response" && message.type === CommandResponseType.OK) {
        this.#record.accepted.add(message.messageCounter);
      }
    }
    if (input.type === "forwarded") this.#forwarding.delete(`${input.epoch} ${input.counter}`);
    for (const effect of effects) this.#onEffect(effect, before);
    if (after.kind !== before.kind && after.kind === "running") this.counts.running++;
    assert.ok(!Number.isNaN(nextDeadline(after, SETTINGS)), "A deadline is a number");
    const expiresAt = after.base.commands.expiresAt ?? Infinity;
    if (after.kind === "offline" || (after.kind === "waiting" && after.held === null)) {
      assert.equal(
        nextDeadline(after, SETTINGS),
        expiresAt,
        `A car that is ${after.kind} has no timer but that of its commands`,
      );
    }
    if (after.kind === "stopped") {
      assert.equal(nextDeadline(after, SETTINGS), Infinity, "A stopped car waits for nothing");
    }
  }

  /** What a gateway is told to make it connect again, by the table after [TELL-ONCE]. */
  #onWords(before: Session, input: Input, effects: readonly Effect[], now: number): void {
    if (isSecondConnect(before, input)) return;
    const isSilent = now < this.#toldAt + SILENCE_MS;
    const said = effects.flatMap((effect) => wordsOf(effect));
    const ends = effects.flatMap((effect) => effect.type === "ended" ? [effect.failure] : []);
    const hadSession = before.kind === "connecting" || before.kind === "running";
    const isTakenUp = effects.some(({ type }) => type === "connect_device") ||
      effects.some((one) =>
        one.type === "publish" && one.message.kind === "connect_response" &&
        one.message.type === ConnectResponseType.OK
      );
    const expected = ends.length > 0
      ? ends.flatMap((failure) => wordsOfEnd(failure, before, input))
      : wordsWithoutSession(before, input);
    // Silence is for those who are told while they have no session.
    const mayBeSilent = !hadSession && !isTakenUp;
    assert.deepEqual(
      said,
      mayBeSilent && isSilent ? [] : expected,
      `Words on ${input.type} while ${before.kind}`,
    );
    // A Connect that is taken up answers whatever was said before it.
    if (hadSession || isTakenUp) this.#toldAt = -Infinity;
    if (said.length > 0) this.#toldAt = now;
    assert.ok(said.length <= 1, "A gateway is told one thing at a time");
    this.counts.told += said.length;
  }

  #onEffect(effect: Effect, before: Session): void {
    const record = this.#record;
    switch (effect.type) {
      case "forward":
        return this.#onForward(effect);
      case "publish": {
        const { message } = effect;
        if (message.kind === "status_response") this.#onAnswer(message.messageCounter, before);
        if (message.kind === "connect_response") this.counts.sessions++;
        if (message.kind !== "command") return;
        assert.equal(message.messageCounter, this.#nextCommand, "Command counters are consecutive");
        this.#nextCommand = nextCounter(this.#nextCommand);
        if (message.commandData.length === 0) return;
        const text = decoder.decode(message.commandData);
        assert.ok(!record.commands.has(text), `"${text}" is sent once`);
        record.commands.set(text, message.messageCounter);
        return;
      }
      case "acknowledge": {
        const text = decoder.decode(effect.command.data);
        const counter = record.commands.get(text);
        assert.ok(counter !== undefined, `"${text}" was sent in this session`);
        assert.ok(record.accepted.has(counter), `Command ${counter} was answered OK`);
        assert.ok(
          record.lastAcknowledged === null || counterDistance(counter, record.lastAcknowledged) > 0,
          `Command ${counter} is acknowledged once and in order`,
        );
        record.lastAcknowledged = counter;
        this.counts.acknowledged++;
        return;
      }
      case "ended":
        this.counts.ended++;
        this.#record = new SessionRecord();
        return;
      case "note":
        assert.notEqual(
          effect.note.code,
          "counter_restarted",
          "This gateway never restarts its counter",
        );
        return;
      default:
        return;
    }
  }

  #onForward({ epoch, counter, device }: Effect & { type: "forward" }): void {
    const record = this.#record;
    assert.equal(device.priority, 0, "Modules see priority 0");
    assert.ok(record.delivered.has(counter), `Status ${counter} has come`);
    assert.ok(!record.forwarded.has(counter), `Status ${counter} is forwarded once`);
    assert.ok(
      record.lastForwarded === null || counterDistance(counter, record.lastForwarded) > 0,
      `Status ${counter} is forwarded in order`,
    );
    record.forwarded.add(counter);
    record.lastForwarded = counter;
    this.#forwarding.add(`${epoch} ${counter}`);
    this.counts.forwards++;
  }

  #onAnswer(counter: number, before: Session): void {
    const record = this.#record;
    this.counts.answers++;
    assert.ok(record.delivered.has(counter), `Status ${counter} has come`);
    assert.ok(!record.answered.has(counter), `Status ${counter} is answered once`);
    record.answered.add(counter);
    if (before.kind !== "running") return;
    assert.ok(
      record.lastAnswered === null || counterDistance(counter, record.lastAnswered) > 0,
      `Status ${counter} is answered in order`,
    );
    record.lastAnswered = counter;
    assert.ok(
      !this.#forwarding.has(`${before.base.epoch} ${counter}`),
      `Status ${counter} is answered after its module has returned`,
    );
  }

  /** Nothing is under way: every status that came in order must have been answered. */
  atRest(session: Session, sessionId: string): void {
    if (session.kind !== "running" || session.sessionId !== sessionId) return;
    const { delivered, answered } = this.#record;
    let counter = this.#firstCounter.get(sessionId);
    assert.ok(counter !== undefined, `The gateway has opened ${sessionId}`);
    while (delivered.has(counter)) {
      assert.ok(answered.has(counter), `Status ${counter} came in order: it must be answered`);
      counter = nextCounter(counter);
    }
  }

  onModuleConnected(device: Device, connected: boolean): void {
    const key = deviceKey(device);
    // A module may refuse a device again and again; one it has must leave before it comes again.
    assert.ok(!this.#atModule.get(key)?.connected, `${key} left before it came again`);
    this.#atModule.set(key, { module: device.module, connected });
  }

  onModuleDisconnected(device: Device): void {
    const key = deviceKey(device);
    assert.ok(this.#atModule.delete(key), `${key} is disconnected once`);
  }

  onModuleForwarded(device: Device): void {
    const key = deviceKey(device);
    assert.ok(this.#atModule.get(key)?.connected, `${key} is connected when a status is forwarded`);
  }

  onModuleLost(module: number): void {
    for (const [key, known] of this.#atModule) {
      if (known.module === module) this.#atModule.delete(key);
    }
  }

  /** Modules have new contexts: they see devices again, and statuses without an answer. */
  onHandOver(clockMs: number): void {
    this.#atModule.clear();
    this.#forwarding.clear();
    this.#toldAt += clockMs;
    const { forwarded, answered } = this.#record;
    for (const counter of forwarded) if (!answered.has(counter)) forwarded.delete(counter);
    this.#record.lastForwarded = null;
  }

  /** The session has ended and every call has returned. */
  atEnd(session: Session): void {
    const expiresAt = session.base.commands.expiresAt ?? Infinity;
    assert.equal(nextDeadline(session, SETTINGS), expiresAt, "No other deadline is left");
    for (const [key, { connected }] of this.#atModule) {
      assert.ok(!connected, `${key} was disconnected`);
    }
  }
}
