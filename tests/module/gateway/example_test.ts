// The car's side of the modules that module authors copy: in C and in TypeScript they do the same.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { buildGatewayModule } from "../../../examples/module/build.ts";
import { readScript } from "../../../src/script/mod.ts";
import type { GatewayCall } from "../../../src/module/gateway_call.ts";
import { bytes, said, startModule, type TestModule } from "./support.ts";

const BUTTON = 0;
const LED = 1;
const PRESSED = bytes('{"pressed": true}');
const RELEASED = bytes('{"pressed":false}');

/** Calls, and what the module returns. */
const CALLS: readonly (readonly [GatewayCall, string])[] = [
  [{ name: "is_device_type_supported", type: LED }, "0"],
  [{ name: "is_device_type_supported", type: 2 }, "-1"],
  [{ name: "generate_first_command", type: LED }, '0 {"lit": false}'],
  [{ name: "generate_first_command", type: BUTTON }, "0 {}"],
  [{ name: "status_data_valid", type: BUTTON, status: PRESSED }, "0"],
  [{ name: "status_data_valid", type: BUTTON, status: bytes(' { "pressed" : false } ') }, "0"],
  [{ name: "status_data_valid", type: LED, status: PRESSED }, "-1"],
  [{ name: "command_data_valid", type: LED, command: bytes('{"lit": true}') }, "0"],
  [{ name: "command_data_valid", type: BUTTON, command: bytes('{"pressed": true}') }, "-1"],
  [
    { name: "send_status_condition", type: BUTTON, current: PRESSED, fresh: RELEASED },
    "0",
  ],
  [
    { name: "send_status_condition", type: BUTTON, current: PRESSED, fresh: PRESSED },
    "-11",
  ],
  [
    { name: "aggregate_status", type: BUTTON, current: PRESSED, fresh: RELEASED },
    '0 {"pressed":false}',
  ],
  [
    {
      name: "generate_command",
      type: LED,
      fresh: bytes('{"lit": false}'),
      current: bytes('{"lit": false}'),
      command: bytes('{"lit": true}'),
    },
    '0 {"lit": true}',
  ],
  [{ name: "aggregate_error", type: LED, message: null, status: PRESSED }, '0 {"missed": 1}'],
  [
    { name: "aggregate_error", type: LED, message: bytes('{"missed": 1}'), status: PRESSED },
    '0 {"missed": 2}',
  ],
  [
    { name: "aggregate_error", type: LED, message: bytes("nonsense"), status: PRESSED },
    '0 {"missed": 1}',
  ],
  [{ name: "forward_command_on_receive", type: LED }, "-1"],
];

Deno.test("The example module's car side knows buttons and LEDs", async () => {
  await using library = await buildGatewayModule();
  await using test = await startModule({}, { libPath: library.path });
  await tryCalls(test);
  // It has no JSON library, and reads only short texts.
  const status = bytes(`{"pressed": ${" ".repeat(200)}true}`);
  assert.equal(await said(test.module, { name: "status_data_valid", type: BUTTON, status }), "-1");
});

Deno.test("The example module's car side in TypeScript does the same", async () => {
  const libPath = fileURLToPath(
    new URL("../../../examples/module-ts/gateway_module.ts", import.meta.url),
  );
  await using test = await startModule({}, { libPath, script: await readScript(libPath) });
  await tryCalls(test);
});

async function tryCalls(test: TestModule): Promise<void> {
  for (const [call, expected] of CALLS) {
    assert.equal(withoutSpaces(await said(test.module, call)), withoutSpaces(expected), call.name);
  }
  const nonsense = [
    "",
    "{}",
    '{"pressed":',
    '{"pressed": 1}',
    '{"pressed": true} more',
    '{"pressed": truely}',
    "\0\0\0",
  ];
  for (const text of nonsense) {
    const call = { name: "status_data_valid", type: BUTTON, status: bytes(text) } as const;
    assert.equal(await said(test.module, call), "-1", JSON.stringify(text));
  }
  assert.deepEqual(test.logged, []);
}

/** JSON may be written with spaces or without. */
function withoutSpaces(text: string): string {
  return text.replaceAll(": ", ":");
}
