// A Deno connection as a node stream, for libraries that require one.
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { ReadShare } from "../time/mod.ts";
import { concatenate } from "./link.ts";

const READ_BYTES = 16_384;
/** Small writes are combined up to this size, in bytes. */
const WRITE_BYTES = 65_536;

/** A connection as a stream of bytes. */
export class ConnStream extends Duplex {
  readonly #conn: Deno.Conn;
  readonly #buffer = new Uint8Array(READ_BYTES);
  readonly #share = new ReadShare();
  /** Shares turns of the event loop among reads. */
  #turn: Promise<void> | undefined;
  #bytesRead = 0;

  constructor(conn: Deno.Conn) {
    super({ allowHalfOpen: false });
    this.#conn = conn;
  }

  /** The other end's address, without its port. */
  get address(): string {
    const { remoteAddr } = this.#conn;
    return "hostname" in remoteAddr ? remoteAddr.hostname : "";
  }

  /** Bytes that have arrived. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  override _read(): void {
    if (this.#turn === undefined) return this.#receive();
    void this.#turn.then(() => {
      if (!this.destroyed) this.#receive();
    });
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#send([chunk]).then(() => done(), done);
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: (error?: Error) => void): void {
    this.#send(chunks.map(({ chunk }) => chunk)).then(() => done(), done);
  }

  override _final(done: (error?: Error) => void): void {
    if (!("closeWrite" in this.#conn)) return done();
    (this.#conn as Deno.TcpConn).closeWrite().then(() => done(), () => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#conn.close();
    done(error);
  }

  #receive(): void {
    this.#conn.read(this.#buffer).then(
      (count) => {
        this.#turn = this.#share.spend(count ?? 0);
        this.#bytesRead += count ?? 0;
        this.push(count === null ? null : Buffer.from(this.#buffer.subarray(0, count)));
      },
      (error) => this.destroy(error),
    );
  }

  async #send(chunks: readonly Uint8Array[]): Promise<void> {
    for (let at = 0; at < chunks.length;) {
      const together: Uint8Array[] = [];
      for (let size = 0; at < chunks.length && size < WRITE_BYTES; at++) {
        const chunk = chunks[at] as Uint8Array;
        together.push(chunk);
        size += chunk.length;
      }
      const bytes = together.length === 1 ? together[0] as Uint8Array : concatenate(together);
      for (let sent = 0; sent < bytes.length;) {
        sent += await this.#conn.write(bytes.subarray(sent));
      }
    }
  }
}
