// Bodies of requests: neither too long nor too slow.
import assert from "node:assert/strict";
import { readBody } from "../../src/http/request_body.ts";
import { RequestError } from "../../src/http/errors.ts";

function request(body: BodyInit | null): Request {
  return new Request("http://localhost/", { method: "POST", body });
}

function isStatus(status: number) {
  return (error: unknown) => error instanceof RequestError && error.status === status;
}

Deno.test("readBody() gives the text, also of characters that came in parts", async () => {
  const [first, second] = [new Uint8Array([0x61, 0xc3]), new Uint8Array([0xa9])];
  const parts = ReadableStream.from([first, second]);
  assert.equal(await readBody(request(parts), 3, 1000), "aé");
  assert.equal(await readBody(request(null), 3, 1000), "");
});

Deno.test("readBody() stops at a byte too many, and when nothing more comes", async () => {
  let canceled = 0;
  const stuck = () =>
    new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(4)),
      cancel: () => void canceled++,
    });
  await assert.rejects(readBody(request(stuck()), 3, 60_000), isStatus(413));
  await assert.rejects(readBody(request(stuck()), 4, 20), isStatus(408));
  assert.equal(canceled, 2);
});

Deno.test("readBody() says so when a body breaks off", async () => {
  const broken = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("reset")),
  });
  await assert.rejects(readBody(request(broken), 4, 60_000), isStatus(400));
});
