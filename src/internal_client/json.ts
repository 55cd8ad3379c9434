// Statuses and commands as JSON, with types.
import { ProtocolError } from "./errors.ts";
import type { InternalClient, SendOptions } from "./internal_client.ts";

/** A client whose statuses are of the type `S` and whose commands are of the type `C`. */
export interface JsonDevice<S, C> {
  /**
   * Sends a status.
   *
   * @returns the command; null when the gateway had none
   * @throws as {@linkcode InternalClient.sendStatus}, and {@linkcode ProtocolError} when the command
   * is not JSON; the client can be used on then
   */
  sendStatus(status: S, options?: SendOptions): Promise<C | null>;
  /** Unsolicited commands. */
  readonly commands: AsyncIterable<C>;
}

/** Exchanges JSON with the module of a client. Commands are not checked against `C`. */
export function jsonDevice<S, C>(client: InternalClient): JsonDevice<S, C> {
  return {
    async sendStatus(status, options) {
      const command = await client.sendStatus(JSON.stringify(status), options);
      return command.length === 0 ? null : parsed(command);
    },
    commands: {
      async *[Symbol.asyncIterator]() {
        for await (const command of client.commands) yield parsed<C>(command);
      },
    },
  };
}

const DECODER = new TextDecoder("utf-8", { fatal: true });

function parsed<T>(command: Uint8Array): T {
  try {
    return JSON.parse(DECODER.decode(command)) as T;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ProtocolError(`Cannot read a command of ${command.length} bytes as JSON: ${why}`, {
      cause,
    });
  }
}
