// Contexts of one module host that are being made, on the server's side.
import type { Blame, ModuleContext } from "./context.ts";
import { LOAD_ERROR_KINDS, ModuleLoadError, type ModuleLoadErrorKind } from "./errors.ts";
import type { RemoteContext } from "./remote_context.ts";
import type { Frame } from "./wire/frame_reader.ts";
import { type CreatePurpose, type CreateRequest, FrameKind } from "./wire/frames.ts";
import type { FrameChannel } from "./wire/frame_channel.ts";

interface Creation {
  readonly context: RemoteContext;
  readonly purpose: CreatePurpose;
  readonly resolve: (context: ModuleContext) => void;
  readonly reject: (error: ModuleLoadError) => void;
}

/** Asks a host to make contexts, and tracks the requests. */
export class ContextCreations {
  readonly #channel: FrameChannel;
  readonly #open = new Map<number, Creation>();

  constructor(channel: FrameChannel) {
    this.#channel = channel;
  }

  /** How many contexts are being made. */
  get size(): number {
    return this.#open.size;
  }

  /** The context that is being made at a place. */
  at(index: number): RemoteContext | undefined {
    return this.#open.get(index)?.context;
  }

  /**
   * Asks the host to make a context, or to try to.
   *
   * @throws {ModuleLoadError} (by rejecting) when it cannot.
   */
  begin(context: RemoteContext, purpose: CreatePurpose): Promise<ModuleContext> {
    const { index, spec } = context;
    const { company: _company, car: _car, ...asked } = spec;
    const request: CreateRequest = { ...asked, purpose };
    const { out } = this.#channel;
    out.begin(FrameKind.CREATE, index);
    out.text(JSON.stringify(request));
    if (!out.end()) {
      const detail = "its configuration is too large: 16 MiB at most";
      return Promise.reject(new ModuleLoadError("init", spec, detail));
    }
    this.#channel.flush();
    return new Promise((resolve, reject) => {
      this.#open.set(index, { context, purpose, resolve, reject });
    });
  }

  /** A context has been made. Returns it, unless it was only a trial and is already destroyed. */
  made(index: number): RemoteContext | undefined {
    const creation = this.#open.get(index);
    if (creation === undefined) return undefined;
    this.#open.delete(index);
    creation.resolve(creation.context);
    return creation.purpose === "context" ? creation.context : undefined;
  }

  /** A context could not be made. Returns what kind of failure that was. */
  failed(index: number, frame: Frame): ModuleLoadErrorKind | undefined {
    const creation = this.#open.get(index);
    if (creation === undefined) return undefined;
    this.#open.delete(index);
    const kind = LOAD_ERROR_KINDS[frame.argument] ?? "host";
    creation.reject(new ModuleLoadError(kind, creation.context.spec, frame.text()));
    return kind;
  }

  /** No more contexts will be made. */
  failAll(detail: string, blameOf: (context: RemoteContext) => Blame = () => "none"): void {
    for (const { context, reject } of this.#open.values()) {
      const blame = blameOf(context);
      reject(new ModuleLoadError("host", context.spec, detail, { blame }));
    }
    this.#open.clear();
  }
}
