// The conversation of a device and its gateway on one connection, without sockets and time.
import {
  type Device,
  DeviceConnectResponseType as Type,
  type DeviceMessage,
  type GatewayMessage,
  sameDevice,
} from "../protocol/mod.ts";
import {
  AlreadyConnected,
  DeviceNotSupported,
  HigherPriorityAlreadyConnected,
  type InternalClientError,
  ModuleNotSupported,
  NotAuthorized,
  ProtocolError,
} from "./errors.ts";

/** Where a conversation stands; a plain value. */
export type Conversation = "connecting" | "idle" | "awaiting_answer" | "ended";

/** The inputs of a conversation. */
export type Input =
  | { readonly type: "opened" }
  | { readonly type: "received"; readonly message: GatewayMessage }
  /** Only while it is idle. */
  | { readonly type: "status"; readonly statusData: Uint8Array }
  /** The gateway closed the connection. */
  | { readonly type: "closed" };

/** What its driver has to do. */
export type Effect =
  | { readonly type: "send"; readonly message: DeviceMessage }
  /** The gateway has accepted the device. */
  | { readonly type: "connected" }
  | { readonly type: "answer"; readonly command: Uint8Array }
  /** An unsolicited command. */
  | { readonly type: "command"; readonly command: Uint8Array }
  /** Nothing more comes from this conversation; its connection has to be closed. */
  | { readonly type: "failed"; readonly error: InternalClientError };

/** Which device it is, and how it proves that; `null`: not at all. */
export interface Identity {
  readonly device: Device;
  readonly token: string | null;
}

/** The result of one input. */
export interface Step {
  readonly state: Conversation;
  readonly effect: Effect | null;
}

/** One step. Pure; never throws. */
export function step(state: Conversation, input: Input, { device, token }: Identity): Step {
  if (state === "ended") return { state, effect: null };
  switch (input.type) {
    case "opened": {
      const kind = "device_connect";
      const message = token === null ? { kind, device } as const : { kind, device, token } as const;
      return { state, effect: { type: "send", message } };
    }
    case "status": {
      const { statusData } = input;
      const message = { kind: "device_status", device, statusData } as const;
      return { state: "awaiting_answer", effect: { type: "send", message } };
    }
    case "closed":
      return failed(new ProtocolError(`The gateway closed the connection ${WHILE[state]}`));
    case "received":
      return received(state, input.message, device);
  }
}

const WHILE = {
  connecting: "instead of answering Connect",
  idle: "between two statuses",
  awaiting_answer: "instead of answering a status",
} as const;

function received(state: Conversation, message: GatewayMessage, device: Device): Step {
  if (!sameDevice(message.device, device)) {
    const [theirs, ours] = [message.device, device].map(shown);
    return failed(
      new ProtocolError(`The gateway answered another device: expected ${ours}: got ${theirs}`),
    );
  }
  if (message.kind === "device_connect_response") {
    if (state === "connecting") return connectAnswered(message.type);
    return failed(new ProtocolError("The gateway answered Connect a second time"));
  }
  const { commandData: command } = message;
  switch (state) {
    case "connecting":
      return failed(new ProtocolError("The gateway sent a command before it answered Connect"));
    case "awaiting_answer":
      return { state: "idle", effect: { type: "answer", command } };
    default:
      // A gateway that pushes commands answers a status with nothing when it has sent the command
      // before, so an empty unsolicited one is such an answer, come late.
      return { state, effect: command.length === 0 ? null : { type: "command", command } };
  }
}

function connectAnswered(type: number): Step {
  switch (type) {
    case Type.OK:
      return { state: "idle", effect: { type: "connected" } };
    case Type.ALREADY_CONNECTED:
      return failed(
        new AlreadyConnected("A device of this module, type, role and priority is connected"),
      );
    case Type.MODULE_NOT_SUPPORTED:
      return failed(new ModuleNotSupported("The gateway does not have the device's module"));
    case Type.DEVICE_NOT_SUPPORTED:
      return failed(new DeviceNotSupported("The module does not know the device's type"));
    case Type.HIGHER_PRIORITY_ALREADY_CONNECTED:
      return failed(
        new HigherPriorityAlreadyConnected(
          "A device of this module, type and role with a higher priority is connected",
        ),
      );
    case Type.NOT_AUTHORIZED:
      return failed(new NotAuthorized("The gateway expects a token, and this is not the device's"));
    default:
      return failed(
        new ProtocolError(`The gateway answered Connect with an unknown response type: ${type}`),
      );
  }
}

function failed(error: InternalClientError): Step {
  return { state: "ended", effect: { type: "failed", error } };
}

function shown({ module, deviceType, deviceRole }: Device): string {
  return `module ${module}, type ${deviceType}, role "${deviceRole}"`;
}
