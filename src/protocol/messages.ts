// The messages of Fleet Protocol v2 as plain readonly data [MSG-EXTERNAL] [MSG-INTERNAL].

/** A device of a car, as in messages. Enums are open: any module number is valid. */
export interface Device {
  readonly module: number;
  readonly deviceType: number;
  readonly deviceRole: string;
  readonly deviceName: string;
  readonly priority: number;
}

/** The state of a device in a status; other numbers may arrive as well. */
export const DeviceState = { CONNECTING: 0, RUNNING: 1, ERROR: 2, DISCONNECT: 3 } as const;

export const ConnectResponseType = { OK: 0, ALREADY_LOGGED: 1 } as const;
export type ConnectResponseType = typeof ConnectResponseType[keyof typeof ConnectResponseType];

/** A gateway's answer to a command; other numbers may arrive as well. */
export const CommandResponseType = {
  OK: 0,
  DEVICE_NOT_CONNECTED: 1,
  DEVICE_NOT_SUPPORTED: 2,
  INVALID_COMMAND: 3,
} as const;

/** A gateway asks for a session. */
export interface Connect {
  readonly kind: "connect";
  readonly sessionId: string;
  readonly company: string;
  readonly vehicleName: string;
  readonly devices: readonly Device[];
}

/** A gateway forwards what a device reported. */
export interface Status {
  readonly kind: "status";
  readonly sessionId: string;
  /** One of {@linkcode DeviceState}, or a number this server does not know. */
  readonly deviceState: number;
  /** uint32; grows by one with every status of a session and wraps. */
  readonly messageCounter: number;
  readonly device: Device;
  readonly statusData: Uint8Array;
  /** Empty when the gateway sent none. */
  readonly errorMessage: Uint8Array;
  /** When it arrived, in milliseconds of the reader's clock; not part of the message. */
  readonly receivedAt?: number;
}

/** A gateway answers a command. */
export interface CommandResponse {
  readonly kind: "command_response";
  readonly sessionId: string;
  /** One of {@linkcode CommandResponseType}, or a number this server does not know. */
  readonly type: number;
  readonly messageCounter: number;
}

/** All that a gateway may send (`ExternalClient`). */
export type ClientMessage = Connect | Status | CommandResponse;

/** The server answers a Connect. */
export interface ConnectResponse {
  readonly kind: "connect_response";
  readonly sessionId: string;
  readonly type: number;
}

/** The server answers a status; its type is always OK. */
export interface StatusResponse {
  readonly kind: "status_response";
  readonly sessionId: string;
  readonly messageCounter: number;
}

/** The server hands a module's command to a device. */
export interface Command {
  readonly kind: "command";
  readonly sessionId: string;
  /** uint32; grows by one with every command to a car and wraps; no new session resets it. */
  readonly messageCounter: number;
  readonly device: Device;
  readonly commandData: Uint8Array;
}

/** All that the server may send (`ExternalServer`). */
export type ServerMessage = ConnectResponse | StatusResponse | Command;

/** An empty array, shared to avoid allocations. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);
