// A Module Gateway as its users run it: a process of its own, with a configuration file.
import { InternalClient } from "../../src/internal_client/mod.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { COMPANY, type ProcessOptions, ProgramProcess } from "./server_process.ts";

/** The car of every test. */
export const CAR = "car_1";

/** Only a hang takes that long, in milliseconds. */
const PATIENT_MS = 600_000;

/** A button of the module 1000. */
export const BUTTON = { module: 1000, type: 0, role: "front", name: "Front button" } as const;

/** A configuration as the reference gateway has it, with limits fit for slow machines. */
export async function gatewayDocument(
  brokerPort: number,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Record<string, unknown>> {
  const { gateway } = await buildFixtures();
  return {
    "logging": { "console": { "level": "DEBUG", "use": true } },
    "internal-server-settings": { "port": 0, "limits": { "answer-ms": PATIENT_MS } },
    "module-paths": { "1000": gateway },
    "module-binary-path": "",
    "external-connection": {
      "company": COMPANY,
      "vehicle-name": CAR,
      "endpoints": [{
        "protocol-type": "mqtt",
        "server-ip": "127.0.0.1",
        "port": brokerPort,
        "mqtt-settings": { "ssl": false, "ca-file": "", "client-cert": "", "client-key": "" },
        "modules": [1000],
      }],
    },
    ...more,
  };
}

/** A gateway with a configuration of its own; `await using` ends it. */
export class GatewayProcess extends ProgramProcess {
  readonly folder: TempFolder;
  #loads = 0;

  private constructor(folder: TempFolder, file: string, options: ProcessOptions) {
    super(["gateway", "--config-path", file], options);
    this.folder = folder;
  }

  /** Starts a gateway, and waits for nothing. */
  static async launch(document: unknown, options: ProcessOptions = {}): Promise<GatewayProcess> {
    const folder = await TempFolder.make();
    const file = await folder.write("gateway.json", JSON.stringify(document));
    return new GatewayProcess(folder, file, options);
  }

  /** Starts a gateway and waits until it serves devices. */
  static async start(document: unknown, options: ProcessOptions = {}): Promise<GatewayProcess> {
    const gateway = await GatewayProcess.launch(document, options);
    try {
      await gateway.line(/Serving devices of/);
    } catch (error) {
      await gateway[Symbol.asyncDispose]();
      throw error;
    }
    return gateway;
  }

  /** Where devices connect. */
  async port(): Promise<number> {
    const line = await this.line(/Serving devices of/);
    return Number(/:(\d+)(?: and .*)?$/.exec(line)?.[1]);
  }

  /** Reloads with another configuration; returns what is logged of it. */
  async reload(document: unknown): Promise<string> {
    await this.folder.write("gateway.json", JSON.stringify(document));
    this.signal("SIGHUP");
    const wanted = ++this.#loads;
    const reloads = () => this.lines.filter((line) => /Configuration (?:not )?reloaded/.test(line));
    await waitFor(() => reloads().length >= wanted, `reload ${wanted}`);
    return reloads()[wanted - 1] ?? "";
  }

  /** A device that has connected. */
  async device(more: Partial<Parameters<typeof InternalClient.connect>[0]> = {}) {
    return await InternalClient.connect({
      ...BUTTON,
      port: await this.port(),
      timeoutMs: PATIENT_MS,
      ...more,
    });
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await using _folder = this.folder;
    await super[Symbol.asyncDispose]();
  }
}

/** Sends a status, and waits for the answer as long as it takes. */
export async function say(client: InternalClient, status: string): Promise<string> {
  return new TextDecoder().decode(await client.sendStatus(status, { timeoutMs: PATIENT_MS }));
}
