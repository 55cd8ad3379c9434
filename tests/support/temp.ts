// Temporary folders that are gone when the test is.

/** A folder of its own: `await using folder = await TempFolder.make()`. */
export class TempFolder implements AsyncDisposable {
  /** Absolute path. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes a new, empty folder. */
  static async make(): Promise<TempFolder> {
    return new TempFolder(await Deno.makeTempDir({ prefix: "external-server-test-" }));
  }

  /** The absolute path of `name` in the folder. */
  file(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Writes a file and returns its absolute path. */
  async write(name: string, text: string): Promise<string> {
    const path = this.file(name);
    await Deno.writeTextFile(path, text);
    return path;
  }

  /** Makes a named pipe and returns its absolute path. */
  async pipe(name: string): Promise<string> {
    const path = this.file(name);
    const { success } = await new Deno.Command("mkfifo", { args: [path] }).output();
    if (!success) throw new Error(`Cannot make the pipe "${path}"`);
    return path;
  }

  /** Removes the folder with everything in it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}
