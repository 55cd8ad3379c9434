// `docker compose up` from a fresh clone, without a container engine: the Dockerfile's steps, and what
// docker-compose.yml says of each service, carried out as they stand there.
import assert from "node:assert/strict";
import { join } from "node:path";
import { program, ProgramProcess } from "../e2e/server_process.ts";
import { hasMosquitto } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { ROOT } from "./desk.ts";
import { buildImage, readCompose, type Service } from "./image.ts";
import { Network } from "./network.ts";
import { reasonNotToEnter, type RootFs } from "./root_fs.ts";

const REASON = reasonNotToEnter() ?? (hasMosquitto ? undefined : "no Mosquitto");

/** Puts what a service mounts into the tree; what is missing on the host, an engine makes a folder. */
async function mount(root: RootFs, { volumes = [] }: Service): Promise<void> {
  for (const volume of volumes) {
    const [from = "", to = "", mode] = volume.split(":");
    assert.equal(mode, "ro", volume);
    const source = join(ROOT, from);
    const isFile = await Deno.stat(source).then((found) => found.isFile, () => false);
    if (isFile) await root.write(to, await Deno.readTextFile(source));
    else await Deno.mkdir(root.path(to), { recursive: true });
  }
}

Deno.test({
  name: `docker compose up serves the example module, its page and a health check${
    REASON === undefined ? "" : ` [skipped: ${REASON}]`
  }`,
  ignore: REASON !== undefined,
  async fn() {
    const { services: { mosquitto, "external-server": service }, configs, networks } =
      await readCompose("docker-compose.yml");
    assert.ok(mosquitto !== undefined && service !== undefined);
    // Nothing has to be there before.
    assert.ok(Object.values(networks).every(({ external }) => external !== true));
    assert.deepEqual([service.build, service.pull_policy], [".", "build"]);
    await using image = await buildImage();
    const { root, entrypoint, command, healthCheck, folder } = image;
    await mount(root, service);
    await root.write("/etc/hosts", "127.0.0.1 localhost mosquitto\n");
    assert.ok(service.read_only);
    assert.deepEqual(service.tmpfs, ["/tmp"]);
    const inside = (argv: readonly string[]) =>
      network.enter(root.command({ writable: ["tmp"], folder, argv }));

    await using network = await Network.make();
    await using files = await TempFolder.make();
    const [{ source = "", target = "" } = {}] = mosquitto.configs ?? [];
    assert.equal(target, "/mosquitto/config/mosquitto.conf");
    const broker = await files.write("mosquitto.conf", configs?.[source]?.content ?? "");
    await using _broker = network.run("mosquitto", "-c", broker);
    await _broker.line(/running/);

    const argv = [...entrypoint, ...service.command ?? command];
    await using server = new ProgramProcess([], { command: inside(argv) });
    await server.line(/Serving 1 car of bringauto/);
    await server.line(/State \w+ is now CONNECTED|Listening for operators/);
    await using health = new ProgramProcess([], { command: inside(healthCheck) });
    assert.equal((await health.ended()).code, 0, health.text);

    // From outside the container, as its published port reaches it.
    assert.deepEqual(service.ports, ["127.0.0.1:8080:8080"]);
    const { http: { api_key } } = JSON.parse(
      await Deno.readTextFile(join(ROOT, "config/compose.json")),
    );
    const page = await network.get(8080, "/");
    assert.match(page, /<!doctype html>/i);
    assert.match(await network.get(8080, "/metrics", api_key), /^external_server_/m);

    const [own, first] = program();
    const cars = ["--company", "bringauto", "--cars", "1", "--seconds", "3", "--json"];
    await using gateways = network.run(own, ...first, "simulate", ...cars);
    assert.equal((await gateways.ended()).code, 0, gateways.text);
    assert.match(gateways.text, /"carsRan":1/);
    assert.doesNotMatch(server.text, /forward_status returned|WARNING.*odule/);
    assert.equal((await server.stop()).code, 0, server.text);
  },
});
