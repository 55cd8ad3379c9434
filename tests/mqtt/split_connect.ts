// A program that sends CONNECT in two pieces, repeatedly, and waits for each answer. Arguments:
// the broker's port, how often. A process of its own: pieces arrive together only from outside.
const [port = 0, count = 0] = Deno.args.map(Number);
const connect = [0, 4, ...new TextEncoder().encode("MQTT"), 4, 2, 0, 60, 0, 1, 0x77];
for (let i = 0; i < count; i++) {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  connection.setNoDelay(true);
  await connection.write(new Uint8Array([0x10]));
  // A little later each time, so that they meet the broker in every state.
  const until = performance.now() + (i % 10) * 0.05;
  while (performance.now() < until);
  await connection.write(new Uint8Array([connect.length, ...connect]));
  if (await connection.read(new Uint8Array(4)) !== 4) throw new Error(`No answer to CONNECT ${i}`);
}
