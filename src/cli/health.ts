// `health`: asks a running server whether it is alive, for the health checks of containers.
//
// It runs every few seconds, so it loads as little as possible, and reads only the `http` section of the
// configuration.
import { getOnce, hostPort, type HttpTarget, reachableHost } from "../net/mod.ts";
import { describeFileError, type Output, readText } from "../text/mod.ts";
import { DEFAULT_CONFIG } from "./config_options.ts";

/** Where the server listens by default. */
const DEFAULT_URL = "http://127.0.0.1:8080/healthz";

/** The options of `health`. */
export interface HealthOptions {
  /** Overrides the address in the configuration. */
  readonly url?: string | undefined;
  /** @default {DEFAULT_CONFIG} */
  readonly config?: string | undefined;
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
    const { status, text } = await getOnce(target);
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
async function targetOf(config: string | undefined): Promise<HttpTarget> {
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
    throw new Error(`Cannot read the configuration "${file}": not JSON`, { cause });
  }
  return urlOf((document as { http?: Record<string, unknown> } | null)?.http ?? {});
}

function urlOf(http: Readonly<Record<string, unknown>>): HttpTarget {
  const { address = "127.0.0.1", port = 8080, tls_cert: cert } = http;
  if (port === 0) throw new Error("The configuration leaves the port to the system: use --url");
  const url = new URL(DEFAULT_URL);
  url.protocol = cert === undefined ? "http:" : "https:";
  url.host = hostPort(reachableHost(String(address)), Number(port));
  return { url: url.href, anyCertificate: true };
}
