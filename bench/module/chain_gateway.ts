// The gateway's side of the chain's module: every status is worth sending.
import type { GatewayModule } from "fleet-module";

export default class ChainGatewayModule implements GatewayModule {
  static readonly moduleNumber = 1000;

  static isDeviceTypeSupported(): boolean {
    return true;
  }

  generateFirstCommand(): Uint8Array {
    return new Uint8Array();
  }

  statusDataValid(): boolean {
    return true;
  }

  commandDataValid(): boolean {
    return true;
  }

  sendStatusCondition(): boolean {
    return true;
  }

  aggregateStatus(_type: number, _current: Uint8Array, fresh: Uint8Array): Uint8Array {
    return fresh;
  }

  generateCommand(_type: number, _fresh: Uint8Array, _current: Uint8Array, command: Uint8Array) {
    return command;
  }

  aggregateError(): Uint8Array {
    return new Uint8Array();
  }
}
