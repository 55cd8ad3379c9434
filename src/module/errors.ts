// Errors of modules and their hosts.
import type { Blame, ContextSpec } from "./context.ts";

/**
 * Why a context could not be made: `library` cannot be loaded, `symbol` is missing, module
 * `number` differs, `init` returned NULL, or the `host` died or has no place.
 */
export const LOAD_ERROR_KINDS = ["library", "symbol", "number", "init", "host"] as const;
/** See {@linkcode LOAD_ERROR_KINDS}. */
export type ModuleLoadErrorKind = typeof LOAD_ERROR_KINDS[number];

/** A context, or a module of a gateway, could not be made; names car, module and path. */
export class ModuleLoadError extends Error {
  override readonly name = "ModuleLoadError";
  readonly kind: ModuleLoadErrorKind;
  /** Empty: a module of a gateway. */
  readonly car: string;
  readonly module: number;
  readonly libPath: string;
  /** The cause alone, without car, module and path. */
  readonly detail: string;
  /** Whether the module may have caused the loss of the host. */
  readonly blame: Blame;

  constructor(
    kind: ModuleLoadErrorKind,
    spec: Pick<ContextSpec, "module" | "libPath"> & Partial<Pick<ContextSpec, "car">>,
    detail: string,
    { blame = "none", ...options }: ErrorOptions & { readonly blame?: Blame } = {},
  ) {
    const { car = "", module, libPath } = spec;
    super(loadErrorText(module, car === "" ? "" : ` of car "${car}"`, libPath, detail), options);
    this.kind = kind;
    this.car = car;
    this.module = module;
    this.libPath = libPath;
    this.detail = detail;
    this.blame = blame;
  }
}

/** What keeps contexts from being made, one line for each cause, however many cars it concerns. */
export function loadErrorLines(errors: readonly Error[]): string[] {
  const alike = Map.groupBy(errors, (error) => {
    if (!(error instanceof ModuleLoadError)) return error.message;
    const { module, libPath, detail } = error;
    return JSON.stringify([module, libPath, detail]);
  });
  return [...alike.values()].map(([first, ...more]) => {
    if (!(first instanceof ModuleLoadError) || more.length === 0) return first?.message ?? "";
    const { module, libPath, detail } = first;
    return loadErrorText(module, ` of ${1 + more.length} cars`, libPath, detail);
  });
}

function loadErrorText(module: number, whose: string, libPath: string, detail: string): string {
  return `Cannot load module ${module}${whose} from "${libPath}": ${detail}`;
}

/** A library cannot be used; thrown in the host, which does not know the car. */
export class LibraryError extends Error {
  override readonly name = "LibraryError";
  readonly kind: ModuleLoadErrorKind;

  constructor(kind: ModuleLoadErrorKind, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.kind = kind;
  }
}

/** A module host process could not be started, or was lost before it answered. */
export class ModuleHostError extends Error {
  override readonly name = "ModuleHostError";
}

/** The other side sent an invalid or oversized frame. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}
