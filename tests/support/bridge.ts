// The two brokers of examples/bridge, with their configurations, on free ports.
import { fileURLToPath } from "node:url";
import { buildFixtures } from "../fixtures/build.ts";
import { Mosquitto } from "./mosquitto.ts";
import { TempFolder } from "./temp.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/bridge/", import.meta.url));

/** `await using bridge = await Bridge.start()`. */
export class Bridge implements AsyncDisposable {
  readonly local: Mosquitto;
  readonly cloud: Mosquitto;
  readonly #folder: TempFolder;

  private constructor(folder: TempFolder, local: Mosquitto, cloud: Mosquitto) {
    this.#folder = folder;
    this.local = local;
    this.cloud = cloud;
  }

  /**
   * Starts both.
   *
   * @param different lines of the local broker's configuration by their first word
   * @param cloudLines further ones of the second broker's
   */
  static async start(
    different: Readonly<Record<string, string>> = {},
    cloudLines: readonly string[] = [],
  ): Promise<Bridge> {
    const folder = await TempFolder.make();
    const configOf = async (name: string) => {
      await Deno.mkdir(folder.file(name));
      const text = await Deno.readTextFile(`${EXAMPLE}${name}.conf`);
      return text.replace(/^(persistence_location) .*$/m, `$1 ${folder.file(name)}/`);
    };
    const cloudText = await configOf("cloud");
    let localText = await configOf("local");
    for (const [word, rest] of Object.entries(different)) {
      localText = localText.replace(new RegExp(`^${word} .*$`, "m"), `${word} ${rest}`);
    }
    const cloud = await Mosquitto.start({
      lines: cloudLines,
      config: (port) => cloudText.replace(/^(listener) \d+/m, `$1 ${port}`),
    });
    try {
      const local = await Mosquitto.start({
        config: (port) =>
          localText.replace(/^(listener) \d+/m, `$1 ${port}`)
            .replace(/^(address .*):\d+$/m, `$1:${cloud.port}`),
      });
      return new Bridge(folder, local, cloud);
    } catch (error) {
      await cloud[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The example's server, with its ports and the module for tests; returns the file. */
  async serverConfig(folder: TempFolder): Promise<string> {
    const document = JSON.parse(await Deno.readTextFile(`${EXAMPLE}server.json`));
    document.logging.console.level = "DEBUG";
    document.mqtt_port = this.local.port;
    document.sinks.telemetry.address = `mqtt://127.0.0.1:${this.local.port}`;
    document.event_log.directory = folder.file("events");
    document.state_dir = folder.file("state");
    document.cars.car_1.specific_modules[1000].lib_path = (await buildFixtures()).module;
    return await folder.write("bridge_server.json", JSON.stringify(document));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.local[Symbol.asyncDispose]();
    await this.cloud[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}
