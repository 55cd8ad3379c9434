// What a gateway's host runs: a module, whatever it is written in.
import type { GatewayCall, GatewayReturn } from "../../gateway_call.ts";
import type { LoadRequest } from "../../wire/frames.ts";
import type { Returned } from "../module.ts";

/** What a function has returned. */
export interface LibraryReturn extends GatewayReturn {
  /** It said OK and made no data, where it should have. */
  readonly isMissing?: boolean;
  /** Why what it made was not taken; for the log. */
  readonly refusal?: string;
}

/**
 * A module's functions, called one after the other.
 *
 * Data of a call belongs to the host again as soon as `call` has returned, even if it returned a
 * promise: an asynchronous function must copy what it needs.
 */
export interface GatewayLibrary {
  /** Resolves when the module cannot go on, with the reason; absent: that ends the host. */
  readonly failed?: Promise<string>;
  /** Must be the module's number in the configuration. */
  getModuleNumber(): Returned<number>;
  /** Calls a function; when it throws or rejects, the function has failed. */
  call(call: GatewayCall): Returned<LibraryReturn>;
}

/**
 * Loads the module in a file.
 *
 * @throws {LibraryError} when it cannot be used.
 */
export type LoadGatewayLibrary = (path: string, request: LoadRequest) => Returned<GatewayLibrary>;
