// Reads payloads by the module that they are for. What cannot be read is told; the payload stays.
import type { Type } from "protobufjs";
import type { DecoderSettings, ProtobufSettings } from "./settings.ts";
import type { EventView } from "./view.ts";

/** A payload as an expression sees it; undefined: it has no form there. Throws what is wrong with it. */
export type Decode = (event: EventView) => unknown;

/**
 * Makes the decoder of a module. protobufjs is loaded with the first one that needs it.
 *
 * @throws {DescriptorError} when its messages cannot be found
 */
export async function makeDecoder(settings: DecoderSettings): Promise<Decode> {
  switch (settings.kind) {
    case "json":
      return ({ payload }) => JSON.parse(textOf(payload));
    case "text":
      return ({ payload }) => textOf(payload);
    case "base64":
      return ({ payload }) => base64Of(payload);
    case "protobuf":
      return await protobufDecoder(settings);
  }
}

/** A descriptor file, or a message that it should have; {@linkcode DescriptorError.key} names it. */
export class DescriptorError extends Error {
  override readonly name = "DescriptorError";
  /** Of the decoder's keys, such as `messages.3`. */
  readonly key: string;

  constructor(key: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.key = key;
  }
}

async function protobufDecoder(settings: ProtobufSettings): Promise<Decode> {
  // The descriptors come with the whole library, which is another copy than the protocol's.
  const [{ default: { Root } }] = await Promise.all([
    import("protobufjs/light.js"),
    import("protobufjs/ext/descriptor"),
  ]);
  let root: InstanceType<typeof Root>;
  try {
    root = Root.fromDescriptor(settings.descriptor);
    root.resolveAll();
  } catch (error) {
    const expected = "Expected a set of descriptors, as protoc --descriptor_set_out writes it";
    const message = `${expected}: ${(error as Error).message}`;
    throw new DescriptorError("descriptor_file", message, { cause: error });
  }
  const typesOf = (key: "messages" | "commands") =>
    new Map(
      Object.entries(settings[key]).map(([deviceType, name]): [string, Type] => {
        try {
          return [deviceType, root.lookupType(name)];
        } catch (error) {
          const message = `Expected a message of the descriptor file: found "${name}"`;
          throw new DescriptorError(`${key}.${deviceType}`, message, { cause: error });
        }
      }),
    );
  const messages = typesOf("messages");
  const commands = typesOf("commands");
  return ({ kind, device, payload }) => {
    // An error message of a device is no status.
    if (kind === "status.error") return undefined;
    const types = kind.startsWith("command.") ? commands : messages;
    const type = types.get(String(device?.type));
    if (type === undefined) return undefined;
    const message = type.decode(bytesOf(payload));
    return type.toObject(message, { longs: String, enums: String, bytes: String, defaults: true });
  };
}

function textOf(payload: EventView["payload"]): string {
  if (payload === null) return "";
  if ("text" in payload) return payload.text;
  throw new Error("it is not UTF-8");
}

function bytesOf(payload: EventView["payload"]): Uint8Array {
  if (payload === null) return new Uint8Array();
  if ("text" in payload) return new TextEncoder().encode(payload.text);
  return Uint8Array.from(atob(payload.base64), (character) => character.charCodeAt(0));
}

function base64Of(payload: EventView["payload"]): string {
  if (payload !== null && "base64" in payload) return payload.base64;
  let binary = "";
  for (const byte of bytesOf(payload)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
