// Brings an earlier value of a session up to date with the conversation since then, which the broker
// has kept: what the gateway sent, and the echoes of what another process answered. What that process
// did without a trace in the conversation is done again.
import {
  type ClientMessage,
  type Command,
  CommandResponseType,
  ConnectResponseType,
  counterDistance,
  DeviceState,
  type ModuleCommand,
  nextCounter,
  sameDevice,
  type ServerMessage,
  type Status,
  withoutPriority,
} from "../protocol/mod.ts";
import { gatewayTime, withAnswered } from "./backpressure.ts";
import {
  parkOrphans,
  poppedCommand,
  type WaitingCommand,
  withoutReplaced,
  withReady,
} from "./command_order.ts";
import { type SentCommand, withResponse } from "./sent_commands.ts";
import { onDeviceLeft, onDeviceResult } from "./device_connection.ts";
import type { Environment, StepContext } from "./effects.ts";
import { hasDevice } from "./known_devices.ts";
import { dequeue, type Queue, queueOf, values } from "./queue.ts";
import type { Base, Connecting, Running, Session, Waiting } from "./state.ts";
import { statusBytes, takeStatus } from "./status_order.ts";

/** Why a session cannot be continued exactly. */
export type InexactReason =
  /** It had no gateway that could be continued with. */
  | "not_connected"
  /** A connect sequence went on after the earlier value. */
  | "connect_sequence"
  /** Something is missing between the earlier value and the conversation. */
  | "conversation_gap";

/** A session that is up to date, or why it cannot be. */
export type CaughtUp =
  /** `missed` is for `take_over`: nobody has handled it. */
  | {
    readonly exact: true;
    readonly session: Session;
    readonly missed: readonly ClientMessage[];
  }
  /** `base` counts commands from behind the last published one. */
  | {
    readonly exact: false;
    readonly reason: InexactReason;
    readonly detail: string;
    readonly base: Base;
  };

type Conversation = readonly (ClientMessage | ServerMessage)[];

/**
 * Brings `session` up to date; `since` has everything that it has not seen, in the order of the
 * broker, and may have publications from before.
 */
export function catchUp(
  session: Session,
  since: Conversation,
  environment: Environment,
): CaughtUp {
  const inexact = (reason: InexactReason, detail: string): CaughtUp => {
    const base = { ...session.base, commandCounter: counterBehind(session.base, since) };
    return { exact: false, reason, detail, base };
  };
  switch (session.kind) {
    case "running": {
      const catching = new CatchingUp(session, since, environment);
      const wrong = catching.run();
      return wrong === null ? catching.result() : inexact(...wrong);
    }
    case "waiting":
    case "connecting": {
      const begun = begunSessions(since);
      const answered = since.find((message) =>
        isAnswer(message) && !isKnownTo(session, message, begun)
      );
      if (answered !== undefined) {
        return inexact("connect_sequence", `A ${answered.kind} was published`);
      }
      return { exact: true, session, missed: since.filter(isOfGateway) };
    }
    case "offline":
    case "stopped":
      return inexact("not_connected", `The session was ${session.kind}`);
  }
}

function isAnswer(message: ClientMessage | ServerMessage): message is ServerMessage {
  return !isOfGateway(message);
}

function isOfGateway(message: ClientMessage | ServerMessage): message is ClientMessage {
  const { kind } = message;
  return kind === "status" || kind === "command_response" || kind === "connect";
}

/** The counter behind the newest command of the conversation. */
function counterBehind({ commandCounter }: Base, since: Conversation): number {
  let counter = commandCounter;
  for (const message of since) {
    if (message.kind !== "command") continue;
    if (counterDistance(message.messageCounter, counter) >= 0) {
      counter = nextCounter(message.messageCounter);
    }
  }
  return counter;
}

/** The sessions whose Connect is in the conversation. */
function begunSessions(since: Conversation): ReadonlySet<string> {
  return new Set(since.flatMap((one) => one.kind === "connect" ? [one.sessionId] : []));
}

/** Whether a session that is not running has published the answer before. */
function isKnownTo(
  session: Waiting | Connecting,
  answer: ServerMessage,
  begun: ReadonlySet<string>,
): boolean {
  const { sessionId } = answer;
  if (begun.has(sessionId)) return false;
  if (session.kind === "waiting") return session.held?.connect.sessionId !== sessionId;
  if (sessionId !== session.sessionId) return true;
  const { step, base } = session;
  switch (answer.kind) {
    case "connect_response":
      return step.name !== "devices" && answer.type === ConnectResponseType.OK;
    case "status_response":
      return handledCounters(step).includes(answer.messageCounter);
    case "command":
      return counterDistance(answer.messageCounter, base.commandCounter) < 0;
  }
}

function handledCounters(step: Connecting["step"]): readonly number[] {
  switch (step.name) {
    case "devices":
      return [];
    case "statuses":
      return [...step.heard.map(({ messageCounter }) => messageCounter), ...step.skipped];
    case "responses":
      return step.handled;
  }
}

type Wrong = readonly [reason: InexactReason, detail: string];

/** One run over the conversation of a running session. */
class CatchingUp {
  #session: Running;
  readonly #since: Conversation;
  readonly #begun: ReadonlySet<string>;
  readonly #context: StepContext;
  /** The oldest counter that was not answered at first. */
  readonly #open: number;
  readonly #missed: ClientMessage[] = [];
  readonly #answered: Status[] = [];
  /** A Connect has come: the session may be over, and what follows is for it to decide. */
  #asked = false;

  constructor(session: Running, since: Conversation, environment: Environment) {
    const { statuses } = session;
    const begun = statuses.begun.map(({ status }) => status);
    const waiting = queueOf([...begun, ...values(statuses.waiting)]);
    this.#session = { ...session, statuses: { ...statuses, begun: [], waiting } };
    this.#since = since;
    this.#begun = begunSessions(since);
    // The other process has had all effects carried out.
    this.#context = { ...environment, effects: [] };
    this.#open = headOf(waiting) ?? statuses.expected;
  }

  /** Goes through the conversation; says what is wrong with it. */
  run(): Wrong | null {
    // Responses to them refer to them.
    for (const message of this.#since) {
      const wrong = message.kind === "command" ? this.#onCommand(message) : null;
      if (wrong !== null) return wrong;
    }
    for (const message of this.#since) {
      const wrong = this.#on(message);
      if (wrong !== null) return wrong;
    }
    return null;
  }

  result(): CaughtUp {
    const { now } = this.#context;
    const answered = this.#answered.map((status) =>
      ({ status, stage: "done", leaving: false }) as const
    );
    const session = withAnswered(this.#session, answered, answered.length, now);
    const { base, devices } = session;
    const commands = parkOrphans(base.commands, devices, this.#context);
    const next = { ...session, base: { ...base, commands }, heardAt: gatewayTime(session, now) };
    return { exact: true, session: next, missed: this.#missed };
  }

  #on(message: ClientMessage | ServerMessage): Wrong | null {
    if (isAnswer(message)) return this.#onAnswer(message);
    if (message.kind === "connect") this.#asked = true;
    if (this.#asked || message.sessionId !== this.#session.sessionId) {
      this.#missed.push(message);
    } else if (message.kind === "status") {
      this.#onStatus(message);
    } else if (message.kind === "command_response") {
      const { sent } = this.#session;
      const { messageCounter, type } = message;
      const marked = withResponse(sent, messageCounter, type);
      this.#session = { ...this.#session, sent: marked };
      const command = sent.find(({ counter }) => counter === messageCounter)?.command;
      if (command !== undefined && type === CommandResponseType.DEVICE_NOT_CONNECTED) {
        this.#session = onDeviceLeft(this.#session, command.device, this.#context);
      }
    }
    return null;
  }

  #onStatus(status: Status): void {
    const { settings, now } = this.#context;
    const limits = { maxGap: settings.maxStatusGap, maxBytes: settings.maxWaitingBytes };
    const time = gatewayTime(this.#session, now);
    const taken = takeStatus(this.#session.statuses, status, limits, time);
    if (taken.result === "taken") this.#session = { ...this.#session, statuses: taken.order };
    // One that ends the session ends it there.
    else if (taken.result !== "handled_before") this.#missed.push(status);
  }

  #onAnswer(answer: ServerMessage): Wrong | null {
    const { sessionId } = this.#session;
    if (this.#begun.has(answer.sessionId)) {
      return ["connect_sequence", `Session "${answer.sessionId}" began`];
    }
    if (answer.sessionId !== sessionId) return null;
    if (answer.kind === "connect_response" && answer.type !== ConnectResponseType.OK) {
      return ["connect_sequence", "The gateway was told to connect again"];
    }
    return answer.kind === "status_response" ? this.#onStatusAnswer(answer.messageCounter) : null;
  }

  /** Statuses are answered in order: the next one was, or one before the earlier value. */
  #onStatusAnswer(counter: number): Wrong | null {
    const { statuses } = this.#session;
    const taken = dequeue(statuses.waiting);
    const head = taken?.[0];
    if (taken === null || head?.messageCounter !== counter) {
      const isOld = counterDistance(counter, this.#open) < 0 ||
        counterDistance(counter, head?.messageCounter ?? statuses.expected) < 0 ||
        statuses.handled.includes(counter);
      if (isOld) return null;
      return ["conversation_gap", `Status ${counter} was answered, and is not in its turn`];
    }
    const [status, waiting] = taken;
    const bytes = statuses.bytes - statusBytes(status);
    this.#session = { ...this.#session, statuses: { ...statuses, waiting, bytes } };
    this.#answered.push(status);
    this.#followDevice(status);
    return null;
  }

  /** Its module is asked about the device once more. */
  #followDevice({ device, deviceState }: Status): void {
    const { devices } = this.#session;
    const { modules, maxDevices } = this.#context.settings;
    const isComing = deviceState === DeviceState.CONNECTING && !hasDevice(devices, device) &&
      modules.includes(device.module) && devices.length < maxDevices;
    if (isComing) {
      this.#session = onDeviceResult(this.#session, withoutPriority(device), "ok", this.#context);
    } else if (deviceState === DeviceState.DISCONNECT) {
      this.#session = onDeviceLeft(this.#session, device, this.#context);
    }
  }

  #onCommand({ sessionId, messageCounter, device, commandData }: Command): Wrong | null {
    const { base } = this.#session;
    if (sessionId !== this.#session.sessionId) return null;
    const distance = counterDistance(messageCounter, base.commandCounter);
    if (distance < 0) return null;
    if (distance > 0) {
      const detail = `Command ${messageCounter} was published, and ${base.commandCounter} was not`;
      return ["conversation_gap", detail];
    }
    const command = { device, data: commandData };
    const { again } = base.commands;
    const waiting = [...again, ...values(base.commands.ready)];
    const index = waiting.findIndex((one) => isSame(one.command, command));
    const known = waiting[index];
    // Its id is known to the other process only, and what it took the place of was dropped there.
    const published = known ?? poppedCommand(device.module, command, undefined, this.#context);
    const { key: _, sends, ...sentCommand } = published;
    const sent: SentCommand = {
      counter: messageCounter,
      ...sentCommand,
      sends: sends + 1,
      sentAt: gatewayTime(this.#session, this.#context.now),
      response: null,
    };
    const isLeft = (one: WaitingCommand) => one !== known;
    const ready = values(base.commands.ready).filter(isLeft);
    const rest = withReady({ ...base.commands, again: again.filter(isLeft) }, ready);
    const commands = known === undefined ? withoutReplaced(rest, published, this.#context) : rest;
    this.#session = {
      ...this.#session,
      base: { ...base, commandCounter: nextCounter(messageCounter), commands },
      sent: [...this.#session.sent, sent],
    };
    return null;
  }
}

function headOf(waiting: Queue<Status>): number | undefined {
  return dequeue(waiting)?.[0].messageCounter;
}

function isSame(one: ModuleCommand, other: ModuleCommand): boolean {
  return sameDevice(one.device, other.device) && one.data.length === other.data.length &&
    one.data.every((byte, index) => byte === other.data[index]);
}
