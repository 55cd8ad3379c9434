// What compiled modules were called with: the file that the fixture module writes.
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

/** One call of a module's function, as it began. */
export interface Call {
  /** Monotonic, in microseconds; the same clock for all processes. */
  readonly at: number;
  readonly car: string;
  /** The C name of the function. */
  readonly name: string;
  /** All the fixture says about it; `0 ` comes before it for a `device_disconnected` of type 0. */
  readonly details: string;
}

/** A call that has a device. */
export interface DeviceCall extends Call {
  /** `module/type/role`. */
  readonly device: string;
  /** `module/type/role/name/priority`. */
  readonly fullDevice: string;
  /** Of the status, error message or command; at most the first 200 bytes. */
  readonly data: string;
  /** Of a `device_disconnected`. */
  readonly disconnectType: number | undefined;
}

const DEVICE = /^(?:(\d+) )?((\d+\/\d+\/[^/]*)\/[^/]*\/\d+) \d+ (.*)$/;

/** The file all module contexts of a test write to; `await using` removes it. */
export class CallRecord implements AsyncDisposable {
  /** Goes into a module's configuration as `record`. */
  readonly file: string;
  readonly #folder: TempFolder;

  private constructor(folder: TempFolder) {
    this.#folder = folder;
    this.file = folder.file("calls");
  }

  /** Makes an empty one. */
  static async make(): Promise<CallRecord> {
    return new CallRecord(await TempFolder.make());
  }

  /** All calls so far, of one function or of all but `wait_for_command`. */
  async calls(name?: string): Promise<Call[]> {
    const calls: Call[] = [];
    for (const line of (await this.#text()).split("\n")) {
      const [at = "", car = "", called = "", ...rest] = line.split(" ");
      const wanted = name === undefined ? called !== "wait_for_command" : called === name;
      if (called === "" || !wanted) continue;
      calls.push({ at: Number(at), car, name: called, details: rest.join(" ") });
    }
    return calls;
  }

  /** All calls of a function that has a device. */
  async deviceCalls(name: string, car?: string): Promise<DeviceCall[]> {
    const calls = await this.calls(name);
    return calls.filter((call) => car === undefined || call.car === car).map((call) => {
      const [, type, fullDevice = "", device = "", data = ""] = DEVICE.exec(call.details) ?? [];
      return {
        ...call,
        device,
        fullDevice,
        data,
        disconnectType: type === undefined ? undefined : Number(type),
      };
    });
  }

  /** The data of every status that was forwarded for a car, in order. */
  async statuses(car?: string): Promise<string[]> {
    return (await this.deviceCalls("forward_status", car)).map(({ data }) => data);
  }

  /** Waits for this many calls of a function, and returns all there are. */
  async waitForCalls(name: string, count: number, timeoutMs?: number): Promise<DeviceCall[]> {
    const calls = await waitFor(
      async () => {
        const found = await this.deviceCalls(name);
        return found.length >= count ? found : undefined;
      },
      `${count} calls of ${name}`,
      timeoutMs,
    );
    return calls ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }

  async #text(): Promise<string> {
    try {
      return await Deno.readTextFile(this.file);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }
}
