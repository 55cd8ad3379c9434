// A button of the example module: pressed and released each second; prints whether it should be lit.
//
//   deno run --allow-net --allow-env examples/device/button.ts [PORT]
import { InternalClient, jsonDevice } from "../../src/internal_client/mod.ts";

await using client = await InternalClient.connect({
  port: Number(Deno.args[0] ?? 8888),
  module: 2,
  type: 0,
  role: "button",
  name: "front button",
  reconnect: "forever",
});
const button = jsonDevice<{ pressed: boolean }, { lit: boolean }>(client);
for (let pressed = true;; pressed = !pressed) {
  const command = await button.sendStatus({ pressed });
  // deno-lint-ignore no-console -- an example shows what it gets
  console.log(command?.lit ? "lit" : "dark");
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
