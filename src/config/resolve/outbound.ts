// Resolves where the server sends what others collect: OpenTelemetry and the webhook.
import { isLoopback } from "../../net/mod.ts";
import type { CommonInput } from "../dialects/dialect.ts";
import type { Faults } from "../errors.ts";
import { type ConfigPlace, givenSecret } from "../files.ts";
import { defaultOf } from "../keys/key.ts";
import { OPENTELEMETRY } from "../keys/outbound_keys.ts";
import type { OpenTelemetryConfig, WebhookConfig } from "./config.ts";

/** A shorter secret is easy to guess, in characters. */
const SHORT_SECRET = 16;

/** Checks the section `opentelemetry`; undefined when it is absent or invalid. */
export function resolveOpenTelemetry(
  { opentelemetry: input }: CommonInput,
  place: ConfigPlace,
  faults: Faults,
): OpenTelemetryConfig | undefined {
  if (input?.endpoint === undefined) return undefined;
  const { authorization: given, authorization_file: file, endpoint } = input;
  const path = "opentelemetry.authorization";
  const authorization = resolveSecret(path, given, file, place, faults);
  if (authorization !== undefined) {
    if (!/^[\x20-\x7e]+$/.test(authorization)) {
      faults.problem(path, "Expected printable ASCII characters: found other characters");
    }
    warnOfClearText("opentelemetry.endpoint", "authorization is", endpoint, faults);
  }
  const seconds = input.metrics_interval ?? defaultOf(OPENTELEMETRY.metrics_interval);
  return {
    endpoint: endpoint.replace(/\/+$/, ""),
    ...(authorization === undefined ? {} : { authorization }),
    metricsIntervalMs: seconds === 0 ? 0 : Math.max(1, Math.round(seconds * 1000)),
    traceRatio: input.trace_ratio ?? defaultOf(OPENTELEMETRY.trace_ratio),
  };
}

/** Checks the section `webhook`; undefined when it is absent or invalid. */
export function resolveWebhook(
  { webhook: input }: CommonInput,
  place: ConfigPlace,
  faults: Faults,
): WebhookConfig | undefined {
  if (input?.url === undefined) return undefined;
  const { url, secret: given, secret_file: file } = input;
  const path = "webhook.secret";
  const secret = resolveSecret(path, given, file, place, faults);
  if (secret === undefined) {
    if (given === undefined && file === undefined) {
      faults.problem(path, "Expected a secret that requests are signed with: found nothing");
    }
    return undefined;
  }
  if (secret.length < SHORT_SECRET) {
    const text = `The secret is easy to guess: it has fewer than ${SHORT_SECRET} characters`;
    faults.warning(path, text);
  }
  warnOfClearText("webhook.url", "incidents are", url, faults);
  return { url, secret };
}

/** The secret as given, or in a file; undefined when there is none, or it is not to be had. */
function resolveSecret(
  path: string,
  given: string | undefined,
  file: string | undefined,
  place: ConfigPlace,
  faults: Faults,
): string | undefined {
  const secret = givenSecret(path, given, file, place, faults);
  if (secret?.text !== "" || file === undefined) return secret?.text;
  faults.problem(secret.path, "Expected a secret: the file is empty");
  return undefined;
}

/** Warns of a URL without TLS to another machine. */
export function warnOfClearText(path: string, what: string, url: string, faults: Faults): void {
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:" || isLoopback(hostname.replace(/^\[(.*)\]$/, "$1"))) return;
  const text = `The ${what} sent over the network in clear text: the URL begins with http://`;
  faults.warning(path, text);
}
