// The driver of remote configuration over a real directory: full, torn, and read by the next start.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { ConfigError } from "../../src/config/errors.ts";
import type { ConfigSource } from "../../src/config/source.ts";
import { RemoteConfig } from "../../src/config_source/remote_config.ts";
import { canMount, smallDisk } from "../support/small_disk.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const CONFIRM_MS = 10_000;

/** A server that is only the text of its configuration. */
class FakeServer implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly log = new ListLog();
  readonly remote: RemoteConfig<string>;
  text = "";
  readonly #applied: string[] = [];

  constructor(folder: TempFolder, cacheDir: string, local = "local") {
    const source: ConfigSource = {
      name: "config.json",
      folder: folder.path,
      read: () => Promise.resolve(local),
    };
    this.remote = new RemoteConfig<string>({
      settings: {
        url: pathToFileURL(folder.file("fleet.json")).href,
        cacheDir,
        pollMs: 60_000,
        mode: "prefer",
        confirmMs: CONFIRM_MS,
      },
      local: source,
      load: async (from) => {
        const text = await from.read();
        if (text.includes("broken")) {
          throw new ConfigError(from.name, [{ path: "a", message: "Broken" }], []);
        }
        return text;
      },
      clock: this.clock,
      random: () => 0,
    });
  }

  async begin(): Promise<this> {
    this.text = await this.remote.begin();
    this.remote.logTo(this.log);
    await this.remote.start({
      apply: async () => {
        this.text = await this.remote.source.read();
        this.#applied.push(this.text);
        return { applied: true, problems: [], touched: ["car_1"] };
      },
      cars: () => [{ name: "car_1", isRunning: true }],
    });
    return this;
  }

  /** Lets a whole probation pass, and what follows from it. */
  async confirm(): Promise<void> {
    this.clock.pass(CONFIRM_MS);
    // Looks are taken one after the other, before this.
    await this.remote.poll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remote.stop();
    assert.equal(this.clock.timers, 0);
  }
}

function document(name: string): string {
  return JSON.stringify({ name });
}

Deno.test("what was confirmed is in the cache, and serves when source and newer file are gone", async () => {
  await using folder = await TempFolder.make();
  const cache = folder.file("cache");
  for (const name of ["one", "two"]) {
    await folder.write("fleet.json", document(name));
    await using server = await new FakeServer(folder, cache).begin();
    assert.equal(server.text, document(name));
    await server.confirm();
  }
  await Deno.remove(folder.file("fleet.json"));
  {
    await using server = await new FakeServer(folder, cache).begin();
    assert.equal(server.text, document("two"));
  }
  assert.equal(((await Deno.stat(`${cache}/good.json`)).mode ?? 0) & 0o777, 0o600);
  // A torn file is as if it were not there, and that is said.
  await Deno.writeTextFile(`${cache}/good.json`, '{"format":1,"fetchedAt":1,"te');
  await Deno.writeTextFile(`${cache}/journal.json`, "\0\0");
  await using server = await new FakeServer(folder, cache).begin();
  assert.equal(server.text, document("one"));
  const said = server.log.texts("WARNING").join("\n");
  for (const name of ["good", "journal"]) {
    assert.match(said, new RegExp(`Left out ".*/${name}\\.json": not what was written there`));
  }
});

Deno.test("a start without any usable document names every reason", async () => {
  await using folder = await TempFolder.make();
  await folder.write("fleet.json", document("broken"));
  const { remote } = new FakeServer(folder, folder.file("cache"), "broken");
  await assert.rejects(remote.begin(), (error: ConfigError) => {
    assert.equal(error.problems.length, 2);
    assert.match(error.message, /file:\/\/.*fleet.json: a: Broken[^]*config.json: a: Broken/);
    return true;
  });
});

Deno.test({
  name: "a full disk costs the cache, which is written when there is room again",
  ignore: !canMount,
  async fn() {
    await using disk = await smallDisk("64k");
    assert.ok(disk);
    await using folder = await TempFolder.make();
    const cache = `${disk.path}/cache`;
    await folder.write("fleet.json", document("one"));
    await using server = await new FakeServer(folder, cache).begin();
    await assert.rejects(Deno.writeFile(`${disk.path}/full`, new Uint8Array(1024 * 1024)));
    await server.confirm();
    const { good, live } = server.remote.view();
    assert.equal(good?.hash, live?.hash);
    assert.notEqual(server.log.matching(/Cannot write/).length, 0);
    await assert.rejects(Deno.stat(`${cache}/good.json`), Deno.errors.NotFound);

    await Deno.remove(`${disk.path}/full`);
    await server.remote.poll();
    const kept = JSON.parse(await Deno.readTextFile(`${cache}/good.json`));
    assert.equal(kept.text, document("one"));
    assert.equal(server.log.matching(/is in the cache again/).length, 1);
  },
});
