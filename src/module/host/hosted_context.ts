// One context of a module in its host: its calls, and the loop that asks for commands.
import type { Clock } from "../../time/mod.ts";
import type { FrameChannel } from "../wire/frame_channel.ts";
import { ContextCalls } from "./context_calls.ts";
import type { Module } from "./module.ts";
import { Notices } from "./notices.ts";
import { WaitLoop } from "./wait_loop.ts";

/** Commands stay in the module while the server has this much to read; in bytes. */
const CONGESTED_BYTES = 4 * 1024 * 1024;

/** The parts of a hosted context. */
export interface HostedContextOptions<Context> {
  readonly index: number;
  readonly module: Module<Context>;
  /** What `init` has made. */
  readonly context: Context;
  /** What `wait_for_command` is called with, in milliseconds. */
  readonly waitTimeoutMs: number;
  readonly channel: FrameChannel;
  readonly clock: Clock;
}

/** A context that has been made, until it is destroyed. */
export class HostedContext<Context = unknown> {
  readonly index: number;
  readonly calls: ContextCalls<Context>;
  /** Begins held. */
  readonly commands: WaitLoop;

  constructor(options: HostedContextOptions<Context>) {
    const { index, module, context, waitTimeoutMs, channel, clock } = options;
    const notices = new Notices(index, channel, clock);
    const calls = new ContextCalls({ index, module, context, channel, notices, clock });
    this.index = index;
    this.calls = calls;
    this.commands = new WaitLoop({
      wait: () => module.waitForCommand(waitTimeoutMs, context),
      pop: () => calls.pop(),
      congestion: () => channel.pendingBytes > CONGESTED_BYTES ? channel.drained() : null,
    }, { timeoutMs: waitTimeoutMs, notices, clock });
  }

  /**
   * Ends the loop, waits for calls to return, destroys. Resolves when the context is gone, which may
   * never happen: `wait_for_command` must return first [MODULE-DESTROY].
   */
  async destroy(): Promise<void> {
    await this.commands.stop();
    await this.calls.destroy();
  }
}
