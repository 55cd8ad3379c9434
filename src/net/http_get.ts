// Asks an HTTP server once, with as little code as possible.
import { connect as connectPlain, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { deadline, systemClock } from "../time/mod.ts";

/** Deadline for the answer, in milliseconds. */
const TIMEOUT_MS = 5000;
/** At most this much of an answer is read. */
const MAX_ANSWER_CHARS = 10_000;

export interface HttpTarget {
  readonly url: string;
  /** From inside, the server's certificate need not match the address. */
  readonly anyCertificate: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * Sends a request written by hand: in Deno 2.4, HTTP clients cannot skip the check of certificates.
 *
 * @throws {Error} (by rejecting) when it cannot be reached, or does not answer within 5 s.
 */
export function getOnce({ url, anyCertificate }: HttpTarget): Promise<HttpAnswer> {
  const { protocol, hostname, port, host, pathname, search } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") {
    throw new Error(`Expected a URL that begins with http:// or https://: found "${url}"`);
  }
  const secure = protocol === "https:";
  const name = hostname.replace(/^\[(.*)\]$/, "$1");
  const to = { host: name, port: Number(port) || (secure ? 443 : 80) };
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const unreachable = (reason: string) => new Error(`Cannot reach "${url}": ${reason}`);
  const fail = (reason: string) => reject(unreachable(reason));
  let answer = "";
  const finish = () => {
    const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(answer) ?? [];
    if (status === undefined) return fail("the answer is not HTTP");
    const text = answer.slice(answer.indexOf("\r\n\r\n") + 4);
    resolve({ status: Number(status), text });
  };
  const socket = secure
    ? connectTls({ ...to, servername: isIP(name) ? "" : name, rejectUnauthorized: !anyCertificate })
    : connectPlain(to);
  socket.setEncoding("utf8");
  socket.on("data", (part: string) => {
    answer += part;
    if (answer.length > MAX_ANSWER_CHARS) finish();
  });
  socket.on("end", finish);
  socket.on("close", () => fail("the connection was closed"));
  socket.on("error", (error: Error) => fail(error.message));
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  const late = () => unreachable(`no answer within ${TIMEOUT_MS} ms`);
  return deadline(promise, TIMEOUT_MS, systemClock, late).finally(() => socket.destroy());
}
