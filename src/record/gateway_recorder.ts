// What passes through a Module Gateway, as events of the log: a subscriber of its turns. The names
// are those of a server's log where both mean the same.
import type {
  DeviceTurn,
  ErrorTurn,
  GatewayTurn,
  GatewayTurnSubscriber,
  SessionTurn,
} from "../module_gateway/mod.ts";
import type { ClientMessage, Device } from "../protocol/mod.ts";
import type { EventPart } from "./log_event.ts";
import type { Recorder } from "./recorder.ts";

/** Records the gateway of a car. */
export class GatewayRecorder implements GatewayTurnSubscriber {
  readonly #recorder: Pick<Recorder, "note">;
  readonly #car: string;

  constructor(recorder: Pick<Recorder, "note">, car: string) {
    this.#recorder = recorder;
    this.#car = car;
  }

  /** See {@linkcode GatewayTurnSubscriber}. */
  onTurn(turn: GatewayTurn): void {
    const events = eventsOfGatewayTurn(turn);
    if (events.length > 0) this.#recorder.note(this.#car, Math.floor(turn.at), events);
  }
}

/** The events of a turn, in order. */
export function eventsOfGatewayTurn(turn: GatewayTurn): EventPart[] {
  switch (turn.kind) {
    case "device":
      return [...partsOfDeviceInput(turn), ...turn.effects.flatMap(partsOfDeviceEffect)];
    case "errors":
      return turn.effects.flatMap(partsOfDeviceEffect);
    case "session":
      return partsOfSession(turn);
  }
}

function partsOfDeviceInput({ input, before, after }: DeviceTurn): EventPart[] {
  const parts: EventPart[] = [];
  if (input.type === "status") {
    parts.push({ kind: "status.accepted", device: input.device, payload: input.data });
  }
  // Its last status is reported as that of a device that has gone.
  if (before.aggregate !== null && after.aggregate === null) {
    parts.push({ kind: "device.left", device: before.aggregate.device });
  }
  return parts;
}

function partsOfDeviceEffect(effect: (DeviceTurn | ErrorTurn)["effects"][number]): EventPart[] {
  switch (effect.type) {
    case "answer_connect": {
      const { device, responseType: type } = effect;
      if (type === 0) return [{ kind: "device.connected", device }];
      return [{ kind: "device.refused", device, data: { type } }];
    }
    case "answer_status":
    case "push": {
      const { device, command: payload } = effect;
      return payload.length === 0 ? [] : [{ kind: "command.sent", device, payload }];
    }
    case "dropped":
      return partsOfDropped(effect.what, effect.device, effect.reason, effect.detail);
    case "call_failed": {
      const { device, name: call, detail } = effect;
      return [{ kind: "module.call_failed", device, data: { call, detail } }];
    }
    default:
      return [];
  }
}

function partsOfDropped(
  what: "connect" | "status" | "command" | "error",
  device: Device,
  why: string,
  detail: string,
): EventPart[] {
  const data = { why, detail };
  switch (what) {
    case "connect":
      return [{ kind: "device.refused", device, data }];
    case "command":
      return [{ kind: "command.dropped", device, data }];
    case "status":
    case "error":
      return [{ kind: "status.refused", device, data }];
  }
}

function partsOfSession({ endpoint, input, effects, before, after }: SessionTurn): EventPart[] {
  const session = sessionOf(after) ?? sessionOf(before);
  const parts: EventPart[] = [];
  if (input.type === "link_up") parts.push({ kind: "broker.up", data: { endpoint } });
  if (input.type === "link_down") {
    parts.push({ kind: "broker.lost", data: { endpoint, detail: input.detail } });
  }
  for (const effect of effects) parts.push(...partsOfSessionEffect(effect, endpoint));
  // An event that is of another session says so itself.
  return parts.map((part) => ({ session, ...part }));
}

function partsOfSessionEffect(
  effect: SessionTurn["effects"][number],
  endpoint: string,
): EventPart[] {
  switch (effect.type) {
    case "running":
      return [{ kind: "session.started", session: effect.sessionId, data: { endpoint } }];
    case "ended": {
      const { sessionId: session, reason, detail } = effect;
      return [{ kind: "session.ended", session, data: { endpoint, reason, detail } }];
    }
    case "send":
      return partsOfSent(effect.message);
    case "answered": {
      const { messageCounter: counter, device } = effect.open.status;
      return [{ kind: "status.answered", device, counter }];
    }
    case "fold":
      return [{ kind: "status.kept", device: effect.device, payload: effect.data }];
    case "command": {
      const { responseType: type, command } = effect;
      const { device, messageCounter: counter, commandData: payload } = command;
      if (type === 0) return [{ kind: "command.received", device, counter, payload }];
      return [{ kind: "command.refused", device, counter, payload, data: { type } }];
    }
    case "violation":
      return [{ kind: "message.rejected", data: { why: effect.kind, detail: effect.detail } }];
    default:
      return [];
  }
}

function partsOfSent(message: ClientMessage): EventPart[] {
  if (message.kind !== "status") return [];
  const { device, messageCounter: counter, deviceState: state, statusData, errorMessage } = message;
  const sent: EventPart = {
    kind: "status.reported",
    device,
    counter,
    payload: statusData,
    data: { state },
  };
  if (errorMessage.length === 0) return [sent];
  return [sent, { kind: "status.error", device, counter, payload: errorMessage }];
}

function sessionOf(state: SessionTurn["after"]): string | null {
  return "sessionId" in state && state.sessionId !== "" ? state.sessionId : null;
}
