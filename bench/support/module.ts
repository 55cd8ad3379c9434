// Compiles the benchmark's module into a temporary folder.
import { fileURLToPath } from "node:url";
import { TempFolder } from "../../tests/support/temp.ts";

const SOURCE = fileURLToPath(new URL("../module/bench_module.c", import.meta.url));

/** The compiled module, which is gone with its folder. */
export class BenchModule implements AsyncDisposable {
  readonly path: string;
  readonly #folder: TempFolder;

  private constructor(folder: TempFolder) {
    this.#folder = folder;
    this.path = folder.file("bench_module.so");
  }

  /** @throws {Error} with what the compiler says. */
  static async build(): Promise<BenchModule> {
    const module = new BenchModule(await TempFolder.make());
    const flags = ["-std=gnu11", "-O2", "-Wall", "-fPIC", "-shared", "-pthread"];
    const { success, stderr } = await new Deno.Command("cc", {
      args: [...flags, "-o", module.path, SOURCE],
    }).output();
    if (success) return module;
    await module[Symbol.asyncDispose]();
    throw new Error(`Cannot compile "${SOURCE}": ${new TextDecoder().decode(stderr)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}
