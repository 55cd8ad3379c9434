// A TLS connection as the stream mqtt.js wants. On older runtimes node:tls does not send a client
// certificate, so the runtime's own TLS is used, as the server does.
import { Duplex } from "node:stream";
import type { BrokerConfig } from "../config/mod.ts";
import { type Link, openLink, readTls } from "../net/mod.ts";

type Done = (error?: Error | null) => void;

/** Connects at once; writes wait until then. A failure destroys it with its error. */
export class BrokerStream extends Duplex {
  readonly #abort = new AbortController();
  readonly #link: Promise<Link>;

  constructor(broker: BrokerConfig) {
    super();
    this.#link = this.#open(broker);
    this.#link.catch((error) => this.destroy(error));
  }

  override _read(): void {
    // The link pushes.
  }

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    this.#link.then((link) => {
      link.write(chunk);
      done();
    }, done);
  }

  override _final(done: Done): void {
    this.#link.then((link) => {
      link.end();
      done();
    }, done);
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#abort.abort(new Error("Connecting was given up"));
    this.#link.then((link) => link.destroy(), () => {});
    done(error);
  }

  async #open(broker: BrokerConfig): Promise<Link> {
    const tls = broker.tls && await readTls(broker.tls);
    const link = await openLink(broker, tls, this.#abort.signal);
    link.start({
      onData: (bytes) => void this.push(bytes.slice()),
      onClosed: (error) => this.destroy(error),
    });
    return link;
  }
}
