// The command ledger in API, event stream and page.
import assert from "node:assert/strict";
import type { CommandsEvent } from "../../src/http/api/commands.ts";
import { Recorder } from "../../src/record/recorder.ts";
import { bytes, FRONT } from "../car/support.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";
import { settled } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { chromiumTest } from "./browser.ts";
import { eventOf, Fixture, KEY, TestGateway } from "./fixture.ts";

/** A fixture with an event log. */
class Logged implements AsyncDisposable {
  private constructor(
    readonly folder: TempFolder,
    readonly recorder: Recorder,
    readonly fixture: Fixture,
  ) {}

  static async start(): Promise<Logged> {
    const folder = await TempFolder.make();
    const directory = folder.file("log");
    const recorder = new Recorder({ directory, company: "company", log: new ListLog() });
    await recorder.start();
    const fixture = await Fixture.start({ eventLog: recorder, subscribers: [recorder] });
    return new Logged(folder, recorder, fixture.up());
  }

  /** A module has a command. */
  command(car: string, text: string): void {
    const context = this.fixture.hosts.all.flatMap(({ contexts }) => contexts)
      .find(({ spec }) => spec.car === car);
    context?.listener.onCommand({ device: FRONT, data: bytes(text) });
  }

  /** Waits until the log has what has happened. */
  async written(): Promise<void> {
    let isWritten = false;
    this.recorder.whenSafe(() => isWritten = true);
    await waitFor(() => isWritten, "the log");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fixture[Symbol.asyncDispose]();
    await this.recorder.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}

Deno.test("commands.list and commands.get tell what became of each command, page by page", async () => {
  await using logged = await Logged.start();
  const { fixture } = logged;
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  for (const text of ['{"n":1}', "two", "three"]) logged.command("car_a", text);
  gateway.respond(1);
  gateway.respond(2, 3);
  await settled();
  logged.command("car_b", "waits");
  await logged.written();
  const { result } = await fixture.rpc("commands.list", {});
  const lines = result.commands.map(
    ({ car, data: { text }, state, changes }: CommandLines) =>
      `${car} ${text} ${state}: ${
        changes.map(({ state, counter, why }) => [state, counter, why].join(" ").trim()).join(", ")
      }`,
  );
  assert.deepEqual(lines, [
    "car_b waits queued: popped, queued",
    "car_a three sent: popped, sent 3",
    "car_a two refused: popped, sent 2, refused 2 INVALID_COMMAND",
    'car_a {"n":1} accepted: popped, sent 1, accepted 1',
  ]);
  assert.equal(result.next, null);
  const [, , refused] = result.commands;
  assert.match(refused.id, /^company\/car_a\/\d+\/2$/);
  assert.equal(refused.device, "7/1/front");
  assert.equal(refused.changes[1].sessionId, "s1");
  const path = `/api/v1/commands/${encodeURIComponent(refused.id)}`;
  assert.deepEqual(await fixture.json(path), refused);
  assert.deepEqual((await fixture.rpc("commands.get", { id: refused.id })).result, refused);

  const first = await fixture.json<Page>("/api/v1/commands?car=car_a&limit=2");
  assert.deepEqual(first.commands, result.commands.slice(1, 3));
  const before = encodeURIComponent(first.next ?? "");
  const second = await fixture.json<Page>(`/api/v1/commands?car=car_a&limit=2&before=${before}`);
  assert.deepEqual([second.commands, second.next], [result.commands.slice(3), null]);
  const filtered = await fixture.json<Page>("/api/v1/commands?state=refused&state=sent");
  assert.deepEqual(filtered.commands, result.commands.slice(1, 3));

  const unknown = await fixture.get("/api/v1/commands/company%2Fcar_a%2F1%2F9");
  assert.equal(unknown.status, 404);
  assert.match(await unknown.text(), /Expected a command that the event log still has: found/);
  const { error } = await fixture.rpc("commands.list", { before: "x" });
  assert.equal(error?.message, 'before: Expected the next of a page: found "x"');
});

interface CommandLines {
  readonly car: string;
  readonly data: { readonly text: string };
  readonly state: string;
  readonly changes: readonly CommandsEvent["changes"][number][];
}

interface Page {
  readonly commands: readonly unknown[];
  readonly next: string | null;
}

Deno.test("commands.list says that it needs the event log, commands.get too", async () => {
  await using fixture = await Fixture.start();
  for (const [method, params] of [["commands.list", {}], ["commands.get", { id: "a" }]] as const) {
    const { error } = await fixture.rpc(method, params);
    assert.match(error?.message ?? "", /^Expected the section event_log, which commands are read/);
  }
  const answer = await fixture.get("/api/v1/commands");
  await answer.body?.cancel();
  assert.equal(answer.status, 503);
});

Deno.test("the event stream tells what becomes of commands, with and without a log, and counts what is too much", async () => {
  await using fixture = (await Fixture.start()).up();
  const events = await fixture.events();
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  const [context] = fixture.hosts.all.flatMap(({ contexts }) => contexts);
  assert.ok(context);
  const changes: CommandsEvent["changes"][number][] = [];
  const until = async (state: string) => {
    while (changes.at(-1)?.state !== state) {
      changes.push(...(await eventOf(events, "commands")).changes);
    }
  };
  context.listener.onCommand({ device: FRONT, data: bytes("go") });
  await until("sent");
  gateway.respond(1);
  await until("accepted");
  assert.deepEqual(
    changes.map(({ car, device, state, counter, data }) =>
      [car, device, state, counter, data?.text ?? null].join(" ")
    ),
    [
      "car_a 7/1/front popped  go",
      "car_a 7/1/front sent 1 ",
      "car_a 7/1/front accepted 1 ",
    ],
  );
  assert.equal(new Set(changes.map(({ id }) => id)).size, 1);
  for (let index = 0; index < 150; index++) {
    context.listener.onCommand({ device: FRONT, data: bytes("many") });
  }
  let told = 0;
  let missed = 0;
  while (told + missed < 300) {
    const event = await eventOf(events, "commands");
    told += event.changes.length;
    missed += event.missed;
  }
  assert.deepEqual([told, missed], [200, 100]);
});

chromiumTest(
  "page lists the commands of a car, and what becomes of them as it happens",
  async (tab) => {
    const { page } = tab;
    await using logged = await Logged.start();
    const { fixture } = logged;
    const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
    logged.command("car_a", "first");
    await logged.written();
    await page.goto(fixture.operators.url);
    await page.getByLabel("API key").fill(KEY);
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByRole("link", { name: "car_a" }).click();
    await page.getByRole("link", { name: "Commands of the car" }).click();
    await page.getByRole("heading", { name: "Commands of car_a", level: 1 }).waitFor();
    const rows = page.getByRole("region", { name: "Commands" }).getByRole("row");
    await rows.filter({ hasText: "first" }).filter({ hasText: "sent as 1 at" }).waitFor();
    gateway.respond(1, 2);
    await rows.filter({ hasText: "first" }).filter({ hasText: "(DEVICE_NOT_SUPPORTED)" }).waitFor();
    logged.command("car_a", "second");
    logged.command("car_b", "other");
    await rows.filter({ hasText: "second" }).filter({ hasText: "sent as 2 at" }).waitFor();
    const texts = (await rows.allTextContents()).slice(1);
    assert.deepEqual(texts.map((text) => /first|second|other/.exec(text)?.[0]), [
      "second",
      "first",
    ]);
    await page.getByRole("link", { name: "Commands", exact: true }).click();
    await page.getByRole("heading", { name: "Commands", exact: true, level: 1 }).waitFor();
    await rows.filter({ hasText: "other" }).filter({ hasText: "queued at" }).waitFor();
    // What it asks before somebody has logged in is refused.
    const complaints = tab.complaints.filter((text) => !text.startsWith("Failed to load resource"));
    assert.deepEqual(complaints, []);
  },
);

chromiumTest("page says that commands need the event log", async ({ page }) => {
  await using fixture = (await Fixture.start()).up();
  await page.goto(`${fixture.operators.url}/#/commands?car=car_a`);
  await page.getByLabel("API key").fill(KEY);
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByText("The commands cannot be had: Expected the section event_log").waitFor();
});
