// `health`: asks a running server whether it is alive, for the health checks of containers.
//
// It runs every few seconds, so it loads as little as possible, and reads only the `http` section of the
// configuration.
import { connect as connectPlain, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { hostPort, reachableHost } from "../net/mod.ts";
import { describeFileError, type Output, readText } from "../text/mod.ts";
import { deadline, systemClock } from "../time/mod.ts";
import { DEFAULT_CONFIG } from "./config_options.ts";

/** Where the server listens by default. */
const DEFAULT_URL = "http://127.0.0.1:8080/healthz";
/** Deadline for the answer, in milliseconds. */
const TIMEOUT_MS = 5000;
/** So much of an answer is read. */
const MAX_ANSWER_CHARS = 10_000;

/** What `health` is told on the command line. */
export interface HealthOptions {
  /** Overrides the address in the configuration. */
  readonly url?: string | undefined;
  /** @default {DEFAULT_CONFIG} */
  readonly config?: string | undefined;
}

interface Target {
  readonly url: string;
  /** From inside, the server's certificate need not match the address. */
  readonly anyCertificate: boolean;
}

/**
 * Asks the server, and prints the result in one line.
 *
 * @returns the exit status: 0 when the server answers with 200 in time, else 1
 */
export async function runHealth(options: HealthOptions, output: Output): Promise<number> {
  try {
    const target = options.url === undefined
      ? await targetOf(options.config)
      : { url: options.url, anyCertificate: false };
    const { status, text } = await ask(target);
    if (status === 200) {
      output.out(`Healthy: ${text}`, "ok");
      return 0;
    }
    output.err(`Not healthy: "${target.url}" answered with ${status}: ${text}`, "failed");
  } catch (error) {
    output.err(`Not healthy: ${(error as Error).message}`, "failed");
  }
  return 1;
}

/** The address in the configuration; the default when no configuration was named and none is there. */
async function targetOf(config: string | undefined): Promise<Target> {
  const file = config ?? DEFAULT_CONFIG;
  let text: string;
  try {
    text = await readText(file);
  } catch (cause) {
    if (config === undefined && cause instanceof Deno.errors.NotFound) return urlOf({});
    const reason = describeFileError(cause);
    throw new Error(`Cannot read the configuration "${file}": ${reason}`, { cause });
  }
  let document: unknown;
  try {
    document = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (cause) {
    // The parser's message quotes the text, which may hold a secret.
    throw new Error(`Cannot read the configuration "${file}": no JSON`, { cause });
  }
  return urlOf((document as { http?: Record<string, unknown> } | null)?.http ?? {});
}

function urlOf(http: Readonly<Record<string, unknown>>): Target {
  const { address = "127.0.0.1", port = 8080, tls_cert: cert } = http;
  if (port === 0) throw new Error("The configuration leaves the port to the system: use --url");
  const url = new URL(DEFAULT_URL);
  url.protocol = cert === undefined ? "http:" : "https:";
  url.host = hostPort(reachableHost(String(address)), Number(port));
  return { url: url.href, anyCertificate: true };
}

/**
 * Sends a request written by hand: in Deno 2.4, HTTP clients cannot skip the check of certificates.
 */
function ask({ url, anyCertificate }: Target): Promise<{ status: number; text: string }> {
  const { protocol, hostname, port, host, pathname, search } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") {
    throw new Error(`Expected a URL that begins with http:// or https://: found "${url}"`);
  }
  const secure = protocol === "https:";
  const name = hostname.replace(/^\[(.*)\]$/, "$1");
  const to = { host: name, port: Number(port) || (secure ? 443 : 80) };
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const unreachable = (reason: string) => new Error(`Cannot reach "${url}": ${reason}`);
  const fail = (reason: string) => reject(unreachable(reason));
  let answer = "";
  const finish = () => {
    const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(answer) ?? [];
    if (status === undefined) return fail("what answers does not speak HTTP");
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
