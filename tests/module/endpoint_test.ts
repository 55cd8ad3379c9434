// The door through which a module host comes in.
import assert from "node:assert/strict";
import { connectEndpoint, Endpoint, type Invitation } from "../../src/module/wire/endpoint.ts";
import { waitFor } from "../support/wait.ts";

function invitationTo(endpoint: Endpoint): Invitation {
  const { address, token } = endpoint;
  return { version: "1.0.0", address, token, parentPid: Deno.pid, moduleCallTimeoutMs: 1000 };
}

/** Whether one more guest with the token gets anywhere. The port may take a moment to close. */
async function isLetIn(endpoint: Endpoint): Promise<boolean> {
  try {
    const guest = await connectEndpoint(invitationTo(endpoint));
    const count = await guest.read(new Uint8Array(1)).catch(() => null);
    guest.close();
    return count !== null;
  } catch {
    return false;
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

for (const transport of ["unix", "tcp"] as const) {
  Deno.test(`Endpoint admits a peer that knows the token, then closes (${transport})`, async () => {
    const endpoint = Endpoint.open({ transport });
    const accepting = endpoint.accept();
    const guest = await connectEndpoint(invitationTo(endpoint));
    const host = await waitFor(accepting, "the guest to be let in");
    assert.equal(await waitFor(isLetIn(endpoint), "the second guest's answer"), false);
    await guest.write(Uint8Array.of(42));
    const bytes = new Uint8Array(8);
    assert.equal(await waitFor(host.read(bytes), "a byte"), 1);
    assert.equal(bytes[0], 42);
    guest.close();
    host.close();
  });

  Deno.test(`Endpoint rejects a peer that does not know the token (${transport})`, async () => {
    const endpoint = Endpoint.open({ transport });
    const accepting = endpoint.accept();
    const invitation = invitationTo(endpoint);
    const stranger = await connectEndpoint({ ...invitation, token: "00".repeat(32) });
    assert.equal(await waitFor(stranger.read(new Uint8Array(1)).catch(() => null), "no"), null);
    stranger.close();
    const silent = await connectEndpoint({ ...invitation, token: "" });
    const guest = await connectEndpoint(invitation);
    (await waitFor(accepting, "the guest to be let in")).close();
    guest.close();
    assert.equal(await waitFor(silent.read(new Uint8Array(1)).catch(() => null), "no"), null);
    silent.close();
  });
}

Deno.test("Endpoint listens in a folder that no other user can enter, and removes it", async () => {
  const endpoint = Endpoint.open();
  assert.equal(endpoint.address.transport, "unix");
  if (endpoint.address.transport !== "unix") return;
  const folder = endpoint.address.path.replace(/\/[^/]*$/, "");
  assert.equal(((await Deno.stat(folder)).mode ?? 0) & 0o777, 0o700);
  const accepting = endpoint.accept();
  const guest = await connectEndpoint(invitationTo(endpoint));
  const host = await waitFor(accepting, "the guest to be let in");
  assert.equal(await exists(folder), false);
  guest.close();
  host.close();
});

Deno.test("Endpoint.accept() rejects when the endpoint is closed", async () => {
  const endpoint = Endpoint.open();
  const accepting = endpoint.accept();
  endpoint.close();
  endpoint.close();
  await assert.rejects(waitFor(accepting, "the rejection"), /closed/);
});
