// Forms: objects of which there are two or more for every status. They are written without the names
// of their fields, by code that knows them, which takes a third of the time.
import type { Device, ServerMessage, Status } from "../protocol/mod.ts";
import type { Effect, Input } from "../session/mod.ts";
import type { DeviceFields, RecordedEffect } from "./segment.ts";
import type { ValueWriter } from "./values.ts";

type StatusResponse = Extract<ServerMessage, { readonly kind: "status_response" }>;
type OfType<U, T extends string> = Extract<U, { readonly type: T }>;
type MessageInput = OfType<Input, "message">;
type Forwarded = OfType<Input, "forwarded">;
type Forward = OfType<RecordedEffect, "forward">;
type ShortForward = Exclude<Forward, { readonly device: Device }>;

/** What has been added to an object is lost by its form: this is an error of the types then. */
type Complete<T, Keys extends keyof T> = Exclude<keyof T, Keys> extends never ? true : never;
true satisfies Complete<
  Status,
  | "kind"
  | "sessionId"
  | "deviceState"
  | "messageCounter"
  | "device"
  | "statusData"
  | "errorMessage"
  | "receivedAt"
>;
true satisfies Complete<
  Device,
  "module" | "deviceType" | "deviceRole" | "deviceName" | "priority"
>;
true satisfies Complete<MessageInput, "type" | "message">;
true satisfies Complete<Forwarded, "type" | "epoch" | "counter">;
true satisfies Complete<ShortForward, "type" | "answered" | "epoch" | "counter">;
true satisfies Complete<StatusResponse, "kind" | "sessionId" | "messageCounter">;
true satisfies Complete<OfType<Effect, "publish">, "type" | "message" | "answers" | "commandId">;

/** The numbers of forms: part of the format. */
const FORM = { status: 0, forwarded: 1, forward: 2, response: 3 } as const;

/** Writes an input as a form; false: it has none. */
export function writeInputForm(writer: ValueWriter, input: Input): boolean {
  if (input.type === "forwarded") {
    writer.form(FORM.forwarded);
    writer.value(input.epoch);
    writer.value(input.counter);
    return true;
  }
  if (input.type !== "message" || input.message.kind !== "status") return false;
  const { sessionId, deviceState, messageCounter, device, statusData, errorMessage, receivedAt } =
    input.message;
  if (receivedAt === undefined) return false;
  writer.form(FORM.status);
  writer.value(sessionId);
  writer.value(deviceState);
  writer.value(messageCounter);
  writeDevice(writer, device);
  writer.value(statusData);
  writer.value(errorMessage);
  writer.value(receivedAt);
  return true;
}

/** Writes the effect that a status is forwarded at once, all of it known from its input. */
export function writeForwardForm(
  writer: ValueWriter,
  { answered, epoch, counter }: ShortForward,
): void {
  writer.form(FORM.forward);
  writer.value(answered);
  writer.value(epoch);
  writer.value(counter);
}

/** Writes the response to a status of a device. */
export function writeResponseForm(
  writer: ValueWriter,
  { sessionId, messageCounter }: StatusResponse,
  device: Device,
): void {
  writer.form(FORM.response);
  writer.value(sessionId);
  writer.value(messageCounter);
  writeDevice(writer, device);
}

function writeDevice(
  writer: ValueWriter,
  { module, deviceType, deviceRole, deviceName, priority }: Device,
): void {
  writer.value(module);
  writer.value(deviceType);
  writer.value(deviceRole);
  writer.value(deviceName);
  writer.value(priority);
}

/**
 * Reads the object of a form; undefined when a later version has written it.
 *
 * @param next reads the next value
 */
export function readForm(form: number, next: () => unknown): object | undefined {
  switch (form) {
    case FORM.forwarded:
      return { type: "forwarded", epoch: next(), counter: next() };
    case FORM.forward:
      return { type: "forward", answered: next(), epoch: next(), counter: next() };
    case FORM.status: {
      const message = {
        kind: "status",
        sessionId: next(),
        deviceState: next(),
        messageCounter: next(),
        device: readDevice(next),
        statusData: next(),
        errorMessage: next(),
        receivedAt: next(),
      };
      return { type: "message", message };
    }
    case FORM.response: {
      const message = { kind: "status_response", sessionId: next(), messageCounter: next() };
      const { module, deviceType, deviceRole, deviceName, priority } = readDevice(next);
      const answers = [module, deviceType, deviceRole, deviceName, priority];
      return { type: "publish", message, answers: answers as unknown as DeviceFields };
    }
    default:
      return undefined;
  }
}

function readDevice(next: () => unknown) {
  return {
    module: next(),
    deviceType: next(),
    deviceRole: next(),
    deviceName: next(),
    priority: next(),
  };
}
