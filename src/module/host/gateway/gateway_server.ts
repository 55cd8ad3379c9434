// The host's side of the channel to a gateway: loads one module, and makes one call of it after the
// other.
import { type Clock, systemClock } from "../../../time/mod.ts";
import { LibraryError, LOAD_ERROR_KINDS } from "../../errors.ts";
import { GATEWAY_NOT_OK, type GatewayCall, type GatewayReturn } from "../../gateway_call.ts";
import { type Duplex, FrameChannel, type FrameChannelHandler } from "../../wire/frame_channel.ts";
import type { Frame } from "../../wire/frame_reader.ts";
import { FrameKind, type LoadRequest, MAX_DATA_BYTES } from "../../wire/frames.ts";
import { copyOf, readCall, ReturnKind, writeReturn } from "../../wire/gateway_frames.ts";
import { Notices } from "../notices.ts";
import type { GatewayLibrary, LibraryReturn, LoadGatewayLibrary } from "./gateway_library.ts";

const encoder = new TextEncoder();

/** What a function has thrown is cut here, in characters. */
const MAX_TEXT = 1000;

/** The parts of a gateway's host. */
export interface GatewayServerOptions {
  readonly load: LoadGatewayLibrary;
  /** Called when the library was loaded, or could not be. */
  readonly onLoad?: () => void;
  /** @default {systemClock} */
  readonly clock?: Clock;
}

/** Serves one gateway until it is gone. */
export class GatewayServer implements FrameChannelHandler {
  readonly #options: GatewayServerOptions;
  readonly #clock: Clock;
  readonly #channel: FrameChannel;
  readonly #notices: Notices;
  readonly #closed = Promise.withResolvers<void>();
  #library: GatewayLibrary | null = null;
  /** Calls that wait; the gateway's window bounds their number. */
  #pending: GatewayCall[] = [];
  /** What is being executed. */
  #running: GatewayCall["name"] | null = null;
  #since = 0;

  constructor(duplex: Duplex, options: GatewayServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#channel = new FrameChannel(duplex, this);
    this.#notices = new Notices(0, this.#channel, this.#clock);
  }

  /** Starts to serve. */
  start(): void {
    this.#channel.start();
  }

  /** Resolves when the gateway is gone. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** See {@linkcode FrameChannelHandler}. */
  onFrame(frame: Frame): void {
    switch (frame.kind) {
      case FrameKind.GATEWAY_CALL:
        return this.#onCall(readCall(frame));
      case FrameKind.WITHDRAW_CALLS:
        this.#channel.out.numberFrame(FrameKind.WITHDRAWN, 0, 0, this.#pending.length);
        this.#pending = [];
        return this.#channel.flush();
      case FrameKind.CREATE:
        return void this.#create(JSON.parse(frame.text()));
      case FrameKind.PING: {
        const residentKib = Math.round(Deno.memoryUsage().rss / 1024);
        this.#channel.out.numberFrame(FrameKind.PONG, 0, 0, residentKib);
        return this.#channel.flush();
      }
    }
  }

  /** See {@linkcode FrameChannelHandler}. */
  onClosed(): void {
    this.#closed.resolve();
  }

  async #create(request: LoadRequest): Promise<void> {
    const { module, libPath } = request;
    const { out } = this.#channel;
    try {
      const library = await this.#options.load(libPath, request);
      void library.failed?.then((reason) => this.#fail(reason));
      const own = await library.getModuleNumber();
      if (own !== module) {
        const detail = `the library is module ${own}, the configuration says ${module}`;
        throw new LibraryError("number", detail);
      }
      this.#library = library;
      out.frame(FrameKind.CREATED, 0);
    } catch (error) {
      const { kind, message } = error instanceof LibraryError
        ? error
        : { kind: "host" as const, message: String(error) };
      out.begin(FrameKind.CREATE_FAILED, 0, LOAD_ERROR_KINDS.indexOf(kind));
      out.text(message);
      out.end();
    }
    this.#channel.flush();
    this.#options.onLoad?.();
  }

  /** The module cannot go on: says why, and ends the host. */
  #fail(reason: string): void {
    const { out } = this.#channel;
    out.begin(FrameKind.FAILED, 0);
    out.text(reason);
    out.end();
    void this.#channel.drained().then(() => this.#channel.close());
  }

  #onCall(call: GatewayCall): void {
    if (this.#running === null) this.#begin(call);
    else this.#pending.push(copyOf(call));
  }

  /** Makes a call, and all that follow it without waiting. */
  #begin(first: GatewayCall): void {
    for (let call: GatewayCall | undefined = first; call; call = this.#pending.shift()) {
      if (this.#library === null) return;
      this.#running = call.name;
      this.#since = this.#clock.now();
      try {
        const returned = this.#library.call(call);
        if (returned instanceof Promise) return void returned.then(this.#returned, this.#threw);
        this.#answer(returned);
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  readonly #returned = (returned: LibraryReturn): void => {
    this.#answer(returned);
    const next = this.#pending.shift();
    if (next) this.#begin(next);
  };

  readonly #threw = (error: unknown): void => {
    this.#failed(error);
    const next = this.#pending.shift();
    if (next) this.#begin(next);
  };

  #failed(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    const data = encoder.encode(text.slice(0, MAX_TEXT));
    this.#end(ReturnKind.THREW, { code: GATEWAY_NOT_OK, data });
  }

  #answer(returned: LibraryReturn): void {
    const { isMissing, refusal, data } = returned;
    if (data.length > MAX_DATA_BYTES) {
      return this.#failed(`it made ${data.length} bytes: ${MAX_DATA_BYTES} at most`);
    }
    if (refusal !== undefined) {
      this.#notices.complain(`${this.#running}`, `${this.#running} failed: ${refusal}`);
    }
    this.#end(isMissing === true ? ReturnKind.WITHOUT_DATA : ReturnKind.RETURNED, returned);
  }

  #end(kind: ReturnKind, returned: GatewayReturn): void {
    const tookUs = Math.min((this.#clock.now() - this.#since) * 1000, 0xffffffff);
    this.#running = null;
    writeReturn(this.#channel.out, kind, returned, tookUs);
    this.#channel.flush();
  }
}
