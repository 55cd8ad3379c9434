// Devices, and a core with its effects, for tests of the internal server.
import {
  createInternalServer,
  type Effect,
  type Input,
  INTERNAL_SERVER_SETTINGS,
  type InternalServerSettings,
  type InternalServerState,
  step,
} from "../../src/internal_server/mod.ts";
import type { Device } from "../../src/protocol/mod.ts";

export const BUTTON: Device = {
  module: 1000,
  deviceType: 7,
  deviceRole: "button",
  deviceName: "front",
  priority: 3,
};

/** The same device, described by another. */
export const OTHER_BUTTON: Device = { ...BUTTON, deviceName: "spare" };
export const BETTER_BUTTON: Device = { ...BUTTON, deviceName: "better", priority: 1 };
export const WORSE_BUTTON: Device = { ...BUTTON, deviceName: "worse", priority: 9 };
export const LAMP: Device = { ...BUTTON, deviceRole: "lamp", deviceName: "lamp" };

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

/** An internal server's core that a test steps. */
export class Core {
  state: InternalServerState = createInternalServer();
  now = 1_000_000;
  readonly settings: InternalServerSettings;

  constructor(settings: Partial<InternalServerSettings> = {}) {
    this.settings = { ...INTERNAL_SERVER_SETTINGS, ...settings };
  }

  step(input: Input): readonly Effect[] {
    const { state, effects } = step(this.state, input, this);
    this.state = state;
    return effects;
  }

  /** Time passes, and a tick comes. */
  pass(ms: number): readonly Effect[] {
    this.now += ms;
    return this.step({ type: "tick" });
  }

  accept(connection: number): readonly Effect[] {
    return this.step({ type: "accepted", connection });
  }

  connect(connection: number, device: Device = BUTTON): readonly Effect[] {
    return this.step({
      type: "received",
      connection,
      message: { kind: "device_connect", device },
    });
  }

  status(connection: number, data: string, device: Device = BUTTON): readonly Effect[] {
    return this.step({
      type: "received",
      connection,
      message: { kind: "device_status", device, statusData: bytes(data) },
    });
  }

  /** A device that is connected. */
  connected(connection: number, device: Device = BUTTON): void {
    this.accept(connection);
    const asked = this.connect(connection, device).find(({ type }) => type === "connected");
    if (asked?.type !== "connected") throw new Error("Expected the module handler to be asked");
    const { request } = asked;
    this.step({ type: "answer_connect", request, device, responseType: 0 });
  }

  /** The number of the last request. */
  get request(): number {
    return this.state.nextRequest - 1;
  }

  answer(command: string, device: Device = BUTTON, request = this.request): readonly Effect[] {
    return this.step({ type: "answer_status", request, device, command: bytes(command) });
  }

  push(command: string, device: Device = BUTTON): readonly Effect[] {
    return this.step({ type: "push", device, command: bytes(command) });
  }
}

/** Effects in short, as in `send 1 command go`. */
export function short(effects: readonly Effect[]): string[] {
  return effects.map((effect) => {
    switch (effect.type) {
      case "send": {
        const { message, connection } = effect;
        return message.kind === "device_command"
          ? `send ${connection} command ${text(message.commandData)}`
          : `send ${connection} response ${message.type}`;
      }
      case "close":
        return `close ${effect.connection} ${effect.when} ${effect.reason}`;
      case "drop":
        return `drop ${effect.connection}`;
      case "status":
        return `status ${effect.device.deviceName} ${text(effect.data)}`;
      case "slow_answer":
        return `slow_answer ${effect.device.module} ${effect.waitedMs}`;
      default:
        return `${effect.type} ${effect.device.deviceName}`;
    }
  });
}
