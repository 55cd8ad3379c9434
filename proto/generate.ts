// Turns the .proto files into src/protocol/codec/descriptor.json, which the codec loads: `deno task proto`.
import protobuf from "protobufjs";

/** Parses the .proto files of this folder into the JSON form protobufjs loads without a parser. */
export function readDescriptor(): Record<string, unknown> {
  const root = new protobuf.Root();
  for (const file of ["InternalProtocol.proto", "ExternalProtocol.proto"]) {
    const source = Deno.readTextFileSync(new URL(file, import.meta.url));
    protobuf.parse(source, root, { keepCase: true });
  }
  return root.toJSON() as Record<string, unknown>;
}

if (import.meta.main) {
  const target = new URL("../src/protocol/codec/descriptor.json", import.meta.url);
  Deno.writeTextFileSync(target, JSON.stringify(readDescriptor(), null, 2) + "\n");
}
