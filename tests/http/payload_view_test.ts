// Data of statuses and commands as people read it.
import assert from "node:assert/strict";
import { payloadView } from "../../src/http/api/payload_view.ts";

const utf8 = new TextEncoder();

function view(data: Uint8Array, bytes = data.length) {
  const { kind, text } = payloadView({ data, bytes });
  return [kind, text];
}

Deno.test("payloadView() shows JSON, text and everything else as what it is", () => {
  assert.deepEqual(view(utf8.encode('{"a":1}')), ["json", '{"a":1}']);
  assert.deepEqual(view(utf8.encode("[1]")), ["json", "[1]"]);
  assert.deepEqual(view(utf8.encode("12")), ["text", "12"]);
  assert.deepEqual(view(utf8.encode("Grüße\n\tan alle")), ["text", "Grüße\n\tan alle"]);
  assert.deepEqual(view(new Uint8Array([0x41, 0])), ["hex", "4100"]);
  assert.deepEqual(view(new Uint8Array([0xff, 0xfe])), ["hex", "fffe"]);
  assert.deepEqual(view(new Uint8Array(0)), ["empty", ""]);
});

Deno.test("payloadView() shows a string that was cut within a character, and no JSON that was cut", () => {
  const whole = utf8.encode("aaé");
  assert.deepEqual(view(whole.subarray(0, 3), 4), ["text", "aa"]);
  assert.deepEqual(view(utf8.encode("[1]"), 400), ["text", "[1]"]);
  assert.deepEqual(view(new Uint8Array([0xff, 0xff, 0xff, 0xff]), 400), ["hex", "ffffffff"]);
});
