// Makes the data of statuses and commands readable.
import type { KeptPayload } from "../../observe/mod.ts";
import type { PayloadView } from "./schemas.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes shown in hexadecimal. */
const MAX_HEX_BYTES = 1024;

/** Text when it is UTF-8 without control characters, JSON when it is that, else hex. */
export function payloadView({ data, bytes }: KeptPayload): PayloadView {
  const truncated = data.length < bytes;
  if (bytes === 0) return { kind: "empty", text: "", bytes, truncated };
  const text = decode(data, truncated);
  if (text === undefined) {
    const digits = [...data.subarray(0, MAX_HEX_BYTES)].map((byte) =>
      byte.toString(16).padStart(2, "0")
    );
    return { kind: "hex", text: digits.join(""), bytes, truncated };
  }
  return { kind: !truncated && isJson(text) ? "json" : "text", text, bytes, truncated };
}

/** The last character may be cut. */
function decode(data: Uint8Array, truncated: boolean): string | undefined {
  for (let drop = 0; drop <= (truncated ? 3 : 0); drop++) {
    try {
      const text = utf8.decode(data.subarray(0, data.length - drop));
      // deno-lint-ignore no-control-regex -- they are what makes it no text
      return /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text) ? undefined : text;
    } catch {
      continue;
    }
  }
  return undefined;
}

function isJson(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null;
  } catch {
    return false;
  }
}
