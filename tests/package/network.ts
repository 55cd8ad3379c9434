// A network of its own, in which ports are free that programs insist on.
import assert from "node:assert/strict";
import { ProgramProcess } from "../e2e/server_process.ts";

/** An address that is not loopback, as a container has one. */
const ADDRESS = "10.123.0.2";

type Command = readonly [command: string, args: readonly string[]];

/** A network namespace; it ends with the process that holds it. */
export class Network implements AsyncDisposable {
  readonly #holder: ProgramProcess;

  private constructor(holder: ProgramProcess) {
    this.#holder = holder;
  }

  static async make(): Promise<Network> {
    const script =
      `ip link set lo up && ip address add ${ADDRESS}/32 dev lo && echo ready && exec sleep infinity`;
    const holder = new ProgramProcess([], { command: ["unshare", ["--net", "sh", "-c", script]] });
    await holder.line(/^ready$/);
    return new Network(holder);
  }

  /** What to start so that a command runs in this network. */
  enter([command, args]: Command): Command {
    return ["nsenter", [`--net=/proc/${this.#holder.pid}/ns/net`, command, ...args]];
  }

  run(command: string, ...args: string[]): ProgramProcess {
    return new ProgramProcess([], { command: this.enter([command, args]) });
  }

  /** Asks a port with HTTP, from beyond the loopback interface; fails when it does not answer well. */
  async get(port: number, path: string, key?: string): Promise<string> {
    const script = `const answer = await fetch(Deno.args[0], { headers: JSON.parse(Deno.args[1]) });
      console.log(await answer.text());
      Deno.exit(answer.ok ? 0 : 1);`;
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const args = [`http://${ADDRESS}:${port}${path}`, JSON.stringify(headers)];
    await using asked = this.run(Deno.execPath(), "eval", script, ...args);
    assert.equal((await asked.ended()).code, 0, asked.text);
    return asked.text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder[Symbol.asyncDispose]();
  }
}
