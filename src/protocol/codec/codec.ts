// Decodes and encodes the messages between gateways and the server [MSG-EXTERNAL].
import type { ClientMessage, Device, ServerMessage, Status } from "../mod.ts";
import { MalformedMessageError } from "./errors.ts";
import { decode, messageType, named, ownBytes, plainDevice } from "./records.ts";
import { malformation, shapeOf } from "./well_formed.ts";

const ExternalClient = messageType("ExternalProtocol.ExternalClient");
const ExternalServer = messageType("ExternalProtocol.ExternalServer");
const CLIENT_SHAPE = shapeOf(ExternalClient);

/** An `ExternalClient` as protobufjs decodes it: scalars have defaults, messages may be missing. */
interface ClientRecord {
  connect?: {
    sessionId: string;
    company: string;
    vehicleName: string;
    devices: readonly Device[];
  } | null;
  status?: {
    sessionId: string;
    deviceState: number;
    messageCounter: number;
    deviceStatus?: { device?: Device | null; statusData: Uint8Array } | null;
    errorMessage?: Uint8Array | null;
  } | null;
  commandResponse?: { sessionId: string; type: number; messageCounter: number } | null;
}

/** An `ExternalServer` as protobufjs decodes it. */
interface ServerRecord {
  connectResponse?: { sessionId: string; type: number } | null;
  statusResponse?: { sessionId: string; type: number; messageCounter: number } | null;
  command?: {
    sessionId: string;
    messageCounter: number;
    deviceCommand?: { device?: Device | null; commandData: Uint8Array } | null;
  } | null;
}

/** Bytes that are not a message. */
export interface Malformed {
  readonly kind: "malformed";
  /** Human-readable. */
  readonly reason: string;
}

/**
 * Decodes a gateway's message. The result does not refer to `payload`. Malformed bytes (not an
 * `ExternalClient`, or one without a message) take no longer than a status.
 *
 * @param receivedAt see {@linkcode Status.receivedAt}
 * @throws {MalformedMessageError} at a name of more than 1,024 characters.
 */
export function readClientMessage(
  payload: Uint8Array,
  receivedAt?: number,
): ClientMessage | Malformed {
  const wrong = malformation(payload, CLIENT_SHAPE);
  if (wrong !== undefined) {
    return malformed(`Cannot decode ${payload.length} bytes as ExternalClient: ${wrong}`);
  }
  const record = decode(ExternalClient, payload) as ClientRecord;
  if (record.status) return plainStatus(record.status, receivedAt);
  if (record.commandResponse) {
    const { type, messageCounter } = record.commandResponse;
    const sessionId = named("session id", record.commandResponse.sessionId);
    return { kind: "command_response", sessionId, type, messageCounter };
  }
  if (record.connect) {
    const { sessionId, company, vehicleName, devices } = record.connect;
    return {
      kind: "connect",
      sessionId: named("session id", sessionId),
      company: named("company", company),
      vehicleName: named("vehicle name", vehicleName),
      devices: devices.map(plainDevice),
    };
  }
  const size = `${payload.length} bytes`;
  return malformed(`Cannot use ExternalClient: none of its messages is set in ${size}`);
}

function malformed(reason: string): Malformed {
  return { kind: "malformed", reason };
}

/**
 * Like {@linkcode readClientMessage}, but throws when there is no message.
 *
 * @throws {MalformedMessageError} when it is none.
 */
export function decodeClientMessage(payload: Uint8Array): ClientMessage {
  const message = readClientMessage(payload);
  if (message.kind === "malformed") throw new MalformedMessageError(message.reason);
  return message;
}

function plainStatus(
  record: NonNullable<ClientRecord["status"]>,
  receivedAt: number | undefined,
): Status {
  const { deviceStatus } = record;
  const status: Status = {
    kind: "status",
    sessionId: named("session id", record.sessionId),
    deviceState: record.deviceState,
    messageCounter: record.messageCounter,
    device: plainDevice(deviceStatus?.device),
    statusData: ownBytes(deviceStatus?.statusData),
    errorMessage: ownBytes(record.errorMessage),
  };
  return receivedAt === undefined ? status : { ...status, receivedAt };
}

/** Encodes a message of the server. */
export function encodeServerMessage(message: ServerMessage): Uint8Array {
  return ExternalServer.encode(serverRecord(message)).finish();
}

function serverRecord(message: ServerMessage): ServerRecord {
  const { sessionId } = message;
  switch (message.kind) {
    case "status_response":
      return { statusResponse: { sessionId, type: 0, messageCounter: message.messageCounter } };
    case "command":
      return {
        command: {
          sessionId,
          messageCounter: message.messageCounter,
          deviceCommand: { device: message.device, commandData: message.commandData },
        },
      };
    case "connect_response":
      return { connectResponse: { sessionId, type: message.type } };
  }
}

/** Encodes a message of a gateway; for simulated gateways and tests. */
export function encodeClientMessage(message: ClientMessage): Uint8Array {
  return ExternalClient.encode(clientRecord(message)).finish();
}

function clientRecord(message: ClientMessage): ClientRecord {
  const { sessionId } = message;
  switch (message.kind) {
    case "status": {
      const { deviceState, messageCounter, device, statusData, errorMessage } = message;
      return {
        status: {
          sessionId,
          deviceState,
          messageCounter,
          deviceStatus: { device, statusData },
          ...(errorMessage.length > 0 ? { errorMessage } : {}),
        },
      };
    }
    case "command_response": {
      const { type, messageCounter } = message;
      return { commandResponse: { sessionId, type, messageCounter } };
    }
    case "connect": {
      const { company, vehicleName, devices } = message;
      return { connect: { sessionId, company, vehicleName, devices } };
    }
  }
}

/**
 * Decodes a message of the server; for simulated gateways and tests.
 *
 * @throws {MalformedMessageError} when the bytes are not an `ExternalServer`, or hold no message.
 */
export function decodeServerMessage(payload: Uint8Array): ServerMessage {
  const record = decode(ExternalServer, payload) as ServerRecord;
  if (record.statusResponse) {
    const { sessionId, messageCounter } = record.statusResponse;
    return { kind: "status_response", sessionId, messageCounter };
  }
  if (record.command) {
    const { sessionId, messageCounter, deviceCommand } = record.command;
    return {
      kind: "command",
      sessionId,
      messageCounter,
      device: plainDevice(deviceCommand?.device),
      commandData: ownBytes(deviceCommand?.commandData),
    };
  }
  if (record.connectResponse) {
    const { sessionId, type } = record.connectResponse;
    return { kind: "connect_response", sessionId, type };
  }
  throw new MalformedMessageError(
    `Cannot use ExternalServer: none of its messages is set in ${payload.length} bytes`,
  );
}
