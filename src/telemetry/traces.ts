// Traces of statuses, from their arrival to the response, and of commands, from the module to its
// acknowledgement. Only a share is traced; the rest costs a random number.
import { type Span, SpanKind, SpanStatusCode, trace, type Tracer } from "@opentelemetry/api";
import { ROOT_CONTEXT } from "@opentelemetry/api";
import { sessionIdOf, type Turn, type TurnSubscriber } from "../car/mod.ts";
import {
  CommandResponseType,
  type Device,
  deviceKey,
  type ModuleCommand,
  type Status,
} from "../protocol/mod.ts";
import type { Effect } from "../session/mod.ts";

/** Traces of one car that have no end yet; further ones are not traced. */
const MAX_OPEN = 1000;

export interface TracesOptions {
  readonly tracer: Tracer;
  /** The share that is traced, 0 to 1. */
  readonly ratio: number;
  /** A source of numbers from 0 up to 1. @default {Math.random} */
  readonly random?: () => number;
}

/** A status without a response. Times are in milliseconds since the epoch. */
interface OpenStatus {
  readonly status: Status;
  readonly receivedAt: number;
  forwardedAt: number | null;
  returnedAt: number | null;
}

/** A command without an acknowledgement. */
interface OpenCommand {
  readonly module: number;
  readonly command: ModuleCommand;
  readonly poppedAt: number;
  counter: number | null;
  publishedAt: number | null;
  answeredAt: number | null;
}

interface OpenTraces {
  /** By message counter. */
  readonly statuses: Map<number, OpenStatus>;
  /** In order of arrival. */
  commands: OpenCommand[];
}

/** Why a trace ended without success; undefined for success. */
type Problem = string | undefined;

/** Makes traces of turns. */
export class Traces implements TurnSubscriber {
  readonly #tracer: Tracer;
  readonly #ratio: number;
  readonly #random: () => number;
  readonly #cars = new Map<string, OpenTraces>();

  constructor({ tracer, ratio, random = Math.random }: TracesOptions) {
    this.#tracer = tracer;
    this.#ratio = ratio;
    this.#random = random;
  }

  /** The number of traces without an end. */
  get open(): number {
    let open = 0;
    for (const { statuses, commands } of this.#cars.values()) {
      open += statuses.size + commands.length;
    }
    return open;
  }

  /** See {@linkcode TurnSubscriber}. */
  onTurn(turn: Turn): void {
    const { car, at, input, effects } = turn;
    this.#begin(turn);
    const open = this.#cars.get(car);
    if (open === undefined) return;
    if (input.type === "forwarded") {
      const status = open.statuses.get(input.counter);
      if (status !== undefined) status.returnedAt = at;
    } else if (input.type === "message" && input.message.kind === "command_response") {
      const { messageCounter } = input.message;
      const command = open.commands.find(({ counter }) => counter === messageCounter);
      if (command !== undefined) command.answeredAt ??= at;
    }
    for (const effect of effects) this.#onEffect(car, open, effect, at);
    const { size } = open.statuses;
    if (size === 0 && open.commands.length === 0) this.#cars.delete(car);
  }

  #begin({ car, at, input, after, effects }: Turn): void {
    if (input.type === "message") {
      const { message } = input;
      if (message.kind !== "status" || message.receivedAt === undefined) return;
      if (this.#random() >= this.#ratio || message.sessionId !== sessionIdOf(after)) return;
      if (effects.some((effect) => effect.type === "note" && effect.note.code === "ignored")) {
        return;
      }
      const { statuses } = this.#openOf(car);
      if (statuses.size >= MAX_OPEN) return;
      statuses.set(message.messageCounter, {
        status: message,
        receivedAt: message.receivedAt,
        forwardedAt: null,
        returnedAt: null,
      });
    } else if (input.type === "command") {
      if (this.#random() >= this.#ratio) return;
      const { module, command } = input;
      const { commands } = this.#openOf(car);
      if (commands.length >= MAX_OPEN) return;
      const never = { counter: null, publishedAt: null, answeredAt: null };
      commands.push({ module, command, poppedAt: at, ...never });
    }
  }

  #openOf(car: string): OpenTraces {
    let open = this.#cars.get(car);
    if (open === undefined) this.#cars.set(car, open = { statuses: new Map(), commands: [] });
    return open;
  }

  #onEffect(car: string, open: OpenTraces, effect: Effect, at: number): void {
    switch (effect.type) {
      case "forward": {
        const status = open.statuses.get(effect.counter);
        if (status !== undefined) status.forwardedAt = at;
        return;
      }
      case "publish": {
        const { message, answers } = effect;
        if (answers !== undefined) {
          const status = open.statuses.get(answers.messageCounter);
          if (status !== undefined) this.#endStatus(car, open, status, at);
        } else if (message.kind === "command") {
          const command = open.commands.find((one) =>
            one.counter === null && one.command.device === message.device &&
            one.command.data === message.commandData
          );
          if (command === undefined) return;
          command.counter = message.messageCounter;
          command.publishedAt = at;
        }
        return;
      }
      case "acknowledge": {
        const command = open.commands.find((one) => one.command === effect.command);
        if (command !== undefined) this.#endCommand(car, open, command, at);
        return;
      }
      case "ended": {
        const problem = `The session ended: ${effect.failure.reason}`;
        for (const status of [...open.statuses.values()]) {
          this.#endStatus(car, open, status, at, problem);
        }
        for (const command of open.commands.filter(({ counter }) => counter !== null)) {
          this.#endCommand(car, open, command, at, problem);
        }
        return;
      }
      case "note":
        return this.#onNote(car, open, effect.note, at);
    }
  }

  #onNote(
    car: string,
    open: OpenTraces,
    note: (Effect & { readonly type: "note" })["note"],
    at: number,
  ): void {
    if (note.code === "command_refused") {
      const command = open.commands.find(({ counter }) => counter === note.counter);
      const problem = `The gateway refused: ${responseName(note.responseType)}`;
      if (command !== undefined) this.#endCommand(car, open, command, at, problem);
    } else if (note.code === "command_dropped") {
      const dropped = open.commands.filter(({ counter, command: { device } }) =>
        counter === null && deviceKey(device) === deviceKey(note.device)
      );
      for (const command of dropped.slice(0, note.count)) {
        this.#endCommand(car, open, command, at, `Dropped: ${note.why}`);
      }
    }
  }

  #endStatus(car: string, open: OpenTraces, one: OpenStatus, at: number, problem?: Problem): void {
    const { status: { messageCounter, device, sessionId }, forwardedAt, returnedAt } = one;
    open.statuses.delete(messageCounter);
    const span = this.#span("status", SpanKind.SERVER, one.receivedAt, {
      ...attributesOf(car, device),
      "external_server.session": sessionId,
      "external_server.counter": messageCounter,
    });
    if (forwardedAt !== null) {
      this.#child(span, "forward_status", SpanKind.CLIENT, forwardedAt, returnedAt ?? at);
    }
    end(span, at, problem);
  }

  #endCommand(
    car: string,
    open: OpenTraces,
    one: OpenCommand,
    at: number,
    problem?: Problem,
  ): void {
    const { command: { device }, module, poppedAt, publishedAt, answeredAt, counter } = one;
    open.commands = open.commands.filter((other) => other !== one);
    const span = this.#span("command", SpanKind.PRODUCER, poppedAt, {
      ...attributesOf(car, device),
      "external_server.from_module": module,
      ...(counter === null ? {} : { "external_server.counter": counter }),
    });
    const waitedUntil = publishedAt ?? at;
    this.#child(span, "wait", SpanKind.INTERNAL, poppedAt, waitedUntil);
    if (publishedAt !== null) {
      this.#child(span, "answer of the gateway", SpanKind.CLIENT, publishedAt, answeredAt ?? at);
    }
    end(span, at, problem);
  }

  #span(
    name: string,
    kind: SpanKind,
    startTime: number,
    attributes: Readonly<Record<string, string | number>>,
  ): Span {
    return this.#tracer.startSpan(name, { kind, startTime, attributes, root: true }, ROOT_CONTEXT);
  }

  #child(parent: Span, name: string, kind: SpanKind, startTime: number, endTime: number): void {
    const context = trace.setSpan(ROOT_CONTEXT, parent);
    this.#tracer.startSpan(name, { kind, startTime }, context).end(endTime);
  }
}

function attributesOf(car: string, device: Device): Readonly<Record<string, string | number>> {
  return {
    "external_server.car": car,
    "external_server.device": deviceKey(device),
    "external_server.module": device.module,
  };
}

function end(span: Span, at: number, problem: Problem): void {
  if (problem !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: problem });
  span.end(at);
}

function responseName(type: number): string {
  const found = Object.entries(CommandResponseType).find(([, number]) => number === type);
  return found?.[0] ?? `type ${type}`;
}
