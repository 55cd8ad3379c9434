// A link as a node stream, for the libraries that require one: mqtt.js, aedes and ws.
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { type Endpoint, isSecure } from "./address.ts";
import { concatenate, type Link } from "./link.ts";
import { openLink } from "./open_link.ts";
import { readTls, type TlsFiles } from "./tls.ts";

type Done = (error?: Error | null) => void;

/**
 * A link as a stream of bytes. A link that is still being opened delays writes; its failure destroys
 * the stream. `writableLength` counts what the link has not sent, too.
 */
export class LinkStream extends Duplex {
  #link: Link | undefined;
  /** Waits for the link to be opened. */
  #whenOpen: ((link: Link) => void) | undefined;
  /** Ends the current write. */
  #whenDrained: Done | undefined;
  #bytesRead = 0;

  constructor(link: Link | Promise<Link>) {
    super({ allowHalfOpen: false });
    if (link instanceof Promise) {
      link.then((opened) => this.#start(opened), (error) => void this.destroy(error));
    } else this.#start(link);
  }

  /** Bytes that have arrived. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  override _read(): void {
    this.#link?.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    this.#withLink((link) => this.#send(link, chunk, done));
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: Done): void {
    const bytes = concatenate(chunks.map(({ chunk }) => chunk));
    this.#withLink((link) => this.#send(link, bytes, done));
  }

  override _final(done: Done): void {
    this.#withLink((link) => {
      link.end();
      done();
    });
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#link?.destroy();
    done(error);
  }

  #start(link: Link): void {
    if (this.destroyed) return link.destroy();
    this.#link = link;
    link.start({
      onData: (bytes) => {
        this.#bytesRead += bytes.length;
        if (!this.push(Buffer.from(bytes))) link.pause();
      },
      onDrained: () => this.#onDrained(),
      onClosed: (error) => this.#onClosed(error),
    });
    this.#whenOpen?.(link);
    this.#whenOpen = undefined;
  }

  #withLink(act: (link: Link) => void): void {
    if (this.#link === undefined) this.#whenOpen = act;
    else act(this.#link);
  }

  #send(link: Link, bytes: Uint8Array, done: Done): void {
    link.write(bytes);
    if (link.unsentBytes === 0) done();
    else this.#whenDrained = done;
  }

  #onDrained(): void {
    const done = this.#whenDrained;
    this.#whenDrained = undefined;
    done?.();
  }

  /** What has arrived is read before the stream ends. */
  #onClosed(error: Error | undefined): void {
    if (this.destroyed) return;
    if (error) return void this.destroy(error);
    this.push(null);
    this.#onDrained();
  }
}

/** Connects to a broker; destroying the stream gives that up. */
export function openStream(broker: Endpoint & { readonly tls?: TlsFiles }): LinkStream {
  const abort = new AbortController();
  const open = async () => {
    const tls = isSecure(broker.protocol) ? await readTls(broker.tls ?? {}) : undefined;
    return await openLink(broker, tls, abort.signal);
  };
  const stream = new LinkStream(open());
  stream.once("close", () => abort.abort(new Error("Connecting was given up")));
  return stream;
}
