// The car's side of the module to copy: buttons (device type 0) and LEDs (device type 1).
//
// A Module Gateway asks it about each status and command of these devices. A button reports
// {"pressed": true} or {"pressed": false}, an LED {"lit": true} or {"lit": false}. An LED's command is
// {"lit": ...}; a button has none to obey, and is answered with {}.
import type { GatewayModule } from "fleet-module";

const BUTTON = 0;
const LED = 1;

/** Keeps nothing: what a method needs is in its arguments. */
export default class ExampleGatewayModule implements GatewayModule {
  static readonly moduleNumber = 1000;

  static isDeviceTypeSupported(type: number): boolean {
    return type === BUTTON || type === LED;
  }

  generateFirstCommand(type: number): Uint8Array {
    return encode(type === LED ? { lit: false } : {});
  }

  statusDataValid(type: number, status: Uint8Array): boolean {
    return typeof stateOf(type, status) === "boolean";
  }

  commandDataValid(type: number, command: Uint8Array): boolean {
    return type === LED && typeof stateOf(type, command) === "boolean";
  }

  sendStatusCondition(type: number, current: Uint8Array, fresh: Uint8Array): boolean {
    return stateOf(type, current) !== stateOf(type, fresh);
  }

  aggregateStatus(_type: number, _current: Uint8Array, fresh: Uint8Array): Uint8Array {
    return fresh; // The newest says it all. One that counts something would add the two up.
  }

  generateCommand(_type: number, _fresh: Uint8Array, _current: Uint8Array, command: Uint8Array) {
    return command; // A place for what must not wait for the cloud.
  }

  aggregateError(_type: number, message: Uint8Array | null): Uint8Array {
    const missed = message === null ? 0 : Number(parse(message).missed ?? 0);
    return encode({ missed: missed + 1 }); // How many statuses the cloud has not seen.
  }
}

function stateOf(type: number, data: Uint8Array): unknown {
  return parse(data)[type === BUTTON ? "pressed" : "lit"];
}

function parse(data: Uint8Array): Record<string, unknown> {
  try {
    return Object(JSON.parse(new TextDecoder().decode(data)));
  } catch {
    return {};
  }
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
