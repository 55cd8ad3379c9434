// Hosts of a gateway in the test's own process, on a clock that the test moves, with a library that the
// test scripts.
import { ModuleHostError } from "../../../src/module/errors.ts";
import type { Connect, Connected } from "../../../src/module/gateway/gateway_host.ts";
import type { GatewayCall, GatewayReturn } from "../../../src/module/gateway_call.ts";
import type { GatewayLibrary } from "../../../src/module/host/gateway/gateway_library.ts";
import { GatewayServer } from "../../../src/module/host/gateway/gateway_server.ts";
import type { HostExit } from "../../../src/module/process/host_process.ts";
import { VirtualClock } from "../../support/virtual_clock.ts";
import { waitFor } from "../../support/wait.ts";
import { duplexPair, type MemoryDuplex } from "../duplex_pair.ts";
import { textOf } from "../support.ts";

/** A call that the library has begun. */
export interface BegunCall {
  readonly text: string;
  answer(returned?: Partial<GatewayReturn>): void;
  fail(error: Error): void;
}

/** One host, with what was called in it. */
export class NearHost {
  readonly pid: number;
  /** Every call that began, as its last data. */
  readonly calls: string[] = [];
  /** Calls that wait for the test. */
  readonly held: BegunCall[] = [];
  /** What this side of the host told it. */
  readonly ended: Promise<HostExit>;
  readonly #end: (exit: HostExit) => void;
  readonly #far: MemoryDuplex;

  constructor(pid: number, far: MemoryDuplex, clock: VirtualClock, loads: boolean) {
    this.pid = pid;
    this.#far = far;
    const { promise, resolve } = Promise.withResolvers<HostExit>();
    this.ended = promise;
    this.#end = resolve;
    const library: GatewayLibrary = {
      getModuleNumber: () => 1000,
      call: (call) => this.#call(call),
    };
    const load = () => loads ? library : new Promise<never>(() => {});
    const server = new GatewayServer(far, { clock, load });
    server.start();
    void server.closed.then(() => this.#end({ code: 0, signal: null }));
  }

  /** Ends the host as a crash does. */
  crash(signal: string): void {
    this.#end({ code: 139, signal });
    this.#far.close();
  }

  /** Texts that begin with "hold" wait for the test; others are answered at once, with the pid. */
  #call(call: GatewayCall): GatewayReturn | Promise<GatewayReturn> {
    const last = "status" in call ? call.status : "fresh" in call ? call.fresh : new Uint8Array();
    const text = textOf(last);
    this.calls.push(text);
    const data = new TextEncoder().encode(`${this.pid}`);
    if (text.startsWith("throw")) throw new Error("it does not want to");
    if (!text.startsWith("hold")) return { code: 0, data };
    return new Promise((resolve, reject) => {
      const answer = (returned: Partial<GatewayReturn> = {}) =>
        resolve({ code: 0, data, ...returned });
      this.held.push({ text, answer, fail: reject });
    });
  }
}

/** All hosts of a test. */
export class NearHosts {
  readonly clock = new VirtualClock();
  readonly hosts: NearHost[] = [];
  /** While it is not null, no host can be started. */
  failure: string | null = null;
  attempts = 0;
  /** Whether the next hosts load their library; else that never ends. */
  loads = true;

  /** What starts a host. */
  readonly connect: Connect = (): Promise<Connected> => {
    this.attempts++;
    if (this.failure !== null) return Promise.reject(new ModuleHostError(this.failure));
    const [near, far] = duplexPair();
    const host = new NearHost(this.hosts.length + 1, far, this.clock, this.loads);
    this.hosts.push(host);
    const process = { pid: host.pid, exited: host.ended, kill: () => host.crash("SIGKILL") };
    return Promise.resolve({ process, connection: near });
  };

  /** The host with that number, from 1 on. */
  host(pid: number): NearHost {
    const host = this.hosts[pid - 1];
    if (host === undefined) throw new Error(`There is no host ${pid}`);
    return host;
  }

  /** The oldest call that waits in a host, once it has begun. */
  async held(pid: number): Promise<BegunCall> {
    await waitFor(() => (this.hosts[pid - 1]?.held.length ?? 0) > 0, `a call in host ${pid}`);
    return this.host(pid).held.shift() as BegunCall;
  }

  /** Lets time pass in small steps, with everything that follows from each. */
  async pass(ms: number, stepMs = 1000): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.pass(Math.min(left, stepMs));
      await settled();
    }
  }
}

/**
 * Resolves when what was sent has arrived, and its answers: connections in memory need a turn for
 * each write, and nothing else.
 */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}
