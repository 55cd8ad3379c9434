// Takes what connects to a listener.
import { type Clock, ReadShare } from "../time/mod.ts";

/** The pause after a connection that could not be accepted, in milliseconds. */
const AGAIN_MS = 50;
/** What accepting a connection counts for in a share of a turn, in bytes. */
const ACCEPT_BYTES = 4096;

/** What {@linkcode acceptAll} tells. */
export interface AcceptOptions {
  readonly take: (conn: Deno.Conn) => void;
  /** The client is gone, or no file descriptors are left; accepting goes on. */
  readonly onError: (error: unknown) => void;
  /** Abort it when the listener is closed. */
  readonly closed: AbortSignal;
  readonly clock: Clock;
}

/** Accepts connections until the listener is closed; never rejects. */
export async function acceptAll(
  listener: Deno.Listener | Deno.UnixListener,
  { take, onError, closed, clock }: AcceptOptions,
): Promise<void> {
  const share = new ReadShare();
  while (true) {
    try {
      take(await listener.accept());
      await share.spend(ACCEPT_BYTES);
    } catch (error) {
      if (closed.aborted) return;
      onError(error);
      await new Promise<void>((resolve) => clock.set(resolve, AGAIN_MS));
    }
  }
}
