// The module contexts of all cars: opens them, attaches them to the cars they serve, destroys them.
import {
  type ContextListener,
  type ContextSpec,
  type ModuleContext,
  ModuleLoadError,
} from "../module/mod.ts";
import type { ModuleCommand } from "../protocol/mod.ts";
import type { HostLosses } from "./host_losses.ts";
import type { ContextInput, SupervisorEffect, SupervisorInput } from "./supervision/effects.ts";

/** A car, as its contexts see it; `Car` implements it. */
export interface SupervisedCar {
  readonly name: string;
  attach(context: ModuleContext): void;
  /** Releases all contexts, which ends a session. */
  releaseModules(detail: string): void;
  /** Every context has been attached. */
  modulesReady(): void;
  takeCommand(module: number, command: ModuleCommand): void;
  loseModule(module: number, reason: string): void;
}

/** Callbacks of the first attempt to open contexts. */
export interface OpenWatch {
  /** A library that can never be loaded. All other failures are retried. */
  onUnusable?(error: Error): void;
  /** Every library has been loaded or has failed, regardless of `init`. */
  onLoaded?(): void;
}

export interface ContextsOptions {
  /** Makes a context in a host; its commands wait until they are released. */
  readonly create: (
    host: number,
    spec: ContextSpec,
    listener: ContextListener,
  ) => Promise<ModuleContext>;
  /** Gets each change of a context. */
  readonly take: (input: SupervisorInput) => void;
  readonly losses: HostLosses;
}

/** A context that has been made. */
interface Made {
  readonly context: ModuleContext;
  /** The car that it serves; `null`: none yet. */
  car: SupervisedCar | null;
}

/** Contexts by number. */
export class Contexts {
  readonly #options: ContextsOptions;
  readonly #made = new Map<number, Made>();
  /** Contexts that are being destroyed, with the car each was opened for. */
  readonly #leaving = new Map<Promise<void>, number>();

  constructor(options: ContextsOptions) {
    this.#options = options;
  }

  /** Opens a context. Resolves when it has been tried; never rejects. */
  async open(
    { car, context, host, spec }: SupervisorEffect & { type: "open" },
    watch: OpenWatch = {},
  ): Promise<void> {
    const { create, take, losses } = this.#options;
    const about = { car, context, host };
    try {
      const made = await create(host, spec, this.#listener(about, spec, watch));
      this.#made.set(context, { context: made, car: null });
    } catch (error) {
      const { message } = error as Error;
      if (cannotEverLoad(error)) watch.onUnusable?.(error);
      const [detail, blame] = error instanceof ModuleLoadError
        ? [error.detail, error.blame]
        : [message, "none"] as const;
      if (blame !== "none") losses.lost(host, { car: spec.car, module: spec.module, blame });
      return take({ type: "failed", ...about, message, detail, blame });
    }
    take({ type: "opened", ...about });
  }

  /** A context serves a car from now on, and its commands go there. */
  attach(context: number, car: SupervisedCar): void {
    const made = this.#made.get(context);
    if (made === undefined) return;
    made.car = car;
    car.attach(made.context);
    made.context.releaseCommands();
  }

  /** Destroys a context, which no longer serves a car. */
  destroy({ car, context, host }: SupervisorEffect & { type: "destroy" }): void {
    const made = this.#made.get(context);
    this.#made.delete(context);
    const destroy = async () => {
      try {
        await made?.context.destroy();
      } catch {
        // Nothing is left to do: its host ends when its last context is gone.
      }
      this.#leaving.delete(leaving);
      this.#options.take({ type: "destroyed", car, context, host });
    };
    const leaving = destroy();
    this.#leaving.set(leaving, car);
  }

  /** Resolves when those contexts of a car that are being destroyed are gone. Never rejects. */
  async left(car: number): Promise<void> {
    await Promise.all([...this.#leaving].flatMap(([done, whose]) => whose === car ? [done] : []));
  }

  #listener(
    about: Omit<ContextInput<string>, "type">,
    { car, module }: ContextSpec,
    { onLoaded = () => {} }: OpenWatch,
  ): ContextListener {
    const { context, host } = about;
    return {
      onLoaded,
      onCommand: (command) => this.#made.get(context)?.car?.takeCommand(module, command),
      onLost: (reason, blame) => {
        this.#made.get(context)?.car?.loseModule(module, reason);
        this.#made.delete(context);
        this.#options.losses.lost(host, { car, module, blame });
        this.#options.take({ type: "lost", ...about, reason, blame });
      },
    };
  }
}

/** Whether a retry cannot help, because the library itself is unusable. */
function cannotEverLoad(error: unknown): error is ModuleLoadError {
  return error instanceof ModuleLoadError && ["library", "symbol", "number"].includes(error.kind);
}
