// Resolves sinks that have a connection: to an MQTT broker, or to NATS.
import { brokerAddress, defaultPort, isLoopback, isSecure, parseAddress } from "../../net/mod.ts";
import { joinPath, maskText, parseTemplate, quote } from "../../text/mod.ts";
import type { Faults } from "../errors.ts";
import { type ConfigPlace, findFile, findPem } from "../files.ts";
import { type MqttSinkConfig, type NatsSinkConfig, TOPIC_NAMES } from "./config.ts";
import type { SinkInput } from "./sinks.ts";

/** What only a sink of its kind has. */
type Own<C extends { readonly kind: string }> = Omit<
  C,
  "kind" | "name" | "events" | "batchEvents" | "batchMs" | "bytesPerSecond"
>;

const TLS_KEYS = { ca_certs_file: "caFile", cert_file: "certFile", key_file: "keyFile" } as const;
/** Servers of NATS; a login would be shown. */
const NATS_ADDRESS = /^(?:nats|tls):\/\/([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
const PUBLIC_TEXT = "The events are sent over the network in clear text";

/** Undefined when a part is missing or invalid, which is reported. */
export function resolveMqttSink(
  path: string,
  input: SinkInput,
  missing: (key: string) => void,
  place: ConfigPlace,
  faults: Faults,
): Own<MqttSinkConfig> | undefined {
  const { address, topic, max_in_flight: maxInFlight, resend_ms: resendMs } = input;
  if (topic !== undefined) checkTemplate(joinPath(path, "topic"), topic, topicFault, faults);
  if (address === undefined) missing("address");
  if (address === undefined || topic === undefined) return;
  if (maxInFlight === undefined || resendMs === undefined) return;
  const parsed = parseAddress(address);
  if (!parsed.ok) {
    faults.problem(joinPath(path, "address"), parsed.message);
    return;
  }
  const { protocol, host, port = defaultPort(protocol), path: rest } = parsed.address;
  const secure = isSecure(protocol);
  if (!secure && !isLoopback(host)) {
    const shown = brokerAddress({ protocol, host, port, path: rest });
    faults.warning(joinPath(path, "address"), `${PUBLIC_TEXT}: ${shown}`);
  }
  const files = resolveFiles(path, input, ["password_file"], secure && "mqtts", place, faults);
  return { address, topic, maxInFlight, resendMs, ...files };
}

/** As {@linkcode resolveMqttSink}. */
export function resolveNatsSink(
  path: string,
  input: SinkInput,
  missing: (key: string) => void,
  place: ConfigPlace,
  faults: Faults,
): Own<NatsSinkConfig> | undefined {
  const { address, subject, stream, max_in_flight: maxInFlight } = input;
  if (subject !== undefined) {
    checkTemplate(joinPath(path, "subject"), subject, subjectFault, faults);
  }
  if (address === undefined) missing("address");
  if (address === undefined || subject === undefined || maxInFlight === undefined) return;
  const addresses = address.split(",");
  const wrong = addresses.find((each) => !NATS_ADDRESS.test(each));
  if (wrong !== undefined) {
    const expected = "addresses that begin with nats:// or tls://, without a login or a path";
    const found = quote(maskText(wrong));
    faults.problem(joinPath(path, "address"), `Expected ${expected}: found the string ${found}`);
    return;
  }
  const secure = addresses.every((each) => each.startsWith("tls:"));
  if (!secure) {
    if (addresses.some((each) => each.startsWith("tls:"))) {
      const expected = "addresses that begin alike, all with nats:// or all with tls://";
      faults.problem(
        joinPath(path, "address"),
        `Expected ${expected}: found the string ${quote(address)}`,
      );
    }
    const isLocal = addresses.every((each) => {
      return isLoopback((NATS_ADDRESS.exec(each)?.[1] ?? "").replace(/^\[(.*)\]$/, "$1"));
    });
    if (!isLocal) faults.warning(joinPath(path, "address"), `${PUBLIC_TEXT}: ${address}`);
  }
  const ways = [input.username, input.token_file, input.credentials_file];
  if (ways.filter((way) => way !== undefined).length > 1) {
    const expected = "one of username, token_file and credentials_file";
    faults.problem(joinPath(path, "username"), `Expected ${expected}: found more`);
  }
  const names = ["password_file", "token_file", "credentials_file"] as const;
  const files = resolveFiles(path, input, names, secure && "tls", place, faults);
  const named = stream === undefined ? {} : { stream };
  return { address, subject, maxInFlight, ...named, ...files };
}

const SECRET_KEYS = {
  password_file: "passwordFile",
  token_file: "tokenFile",
  credentials_file: "credentialsFile",
} as const;

/** The user and the files, which must be there. */
function resolveFiles(
  path: string,
  input: SinkInput,
  secrets: readonly (keyof typeof SECRET_KEYS)[],
  secure: string | false,
  place: ConfigPlace,
  faults: Faults,
) {
  const { username } = input;
  if (username === undefined && input.password_file !== undefined) {
    const expected = "a string, as there is a password_file";
    faults.problem(joinPath(path, "username"), `Expected ${expected}: found nothing`);
  }
  const files: { [name: string]: string } = {};
  for (const key of secrets) {
    const name = input[key];
    if (name === undefined) continue;
    const found = findFile(name, place);
    if (found.ok) files[SECRET_KEYS[key]] = found.path;
    else faults.problem(joinPath(path, key), found.message);
  }
  for (const key of ["ca_certs_file", "cert_file", "key_file"] as const) {
    const name = input[key];
    if (name === undefined) continue;
    if (!secure) {
      const expected = "an address that begins with mqtts://, wss:// or tls://";
      faults.problem(
        joinPath(path, key),
        `Expected it with ${expected} only: found the string ${quote(name)}`,
      );
      continue;
    }
    const found = findPem(name, place);
    if (found.ok) files[TLS_KEYS[key]] = found.path;
    else faults.problem(joinPath(path, key), found.message);
  }
  for (const [key, other] of [["cert_file", "key_file"], ["key_file", "cert_file"]] as const) {
    if (input[key] !== undefined || input[other] === undefined) continue;
    faults.problem(joinPath(path, key), `Expected it beside ${other}: found nothing`);
  }
  return { ...(username === undefined ? {} : { username }), ...files };
}

function checkTemplate(
  path: string,
  text: string,
  faultOf: (filled: string) => string | undefined,
  faults: Faults,
): void {
  const parsed = parseTemplate(text, TOPIC_NAMES);
  if (!parsed.ok) return faults.problem(path, parsed.message);
  // Names are replaced by what has at least one harmless character.
  const { first, rest } = parsed.template;
  const expected = faultOf([first, ...rest.map((part) => part.text)].join("x"));
  if (expected !== undefined) {
    faults.problem(path, `Expected ${expected}: found the string ${quote(text)}`);
  }
}

// deno-lint-ignore no-control-regex -- these are what no topic may have
const CONTROL = /[\u0000-\u001f\u007f]/;

function topicFault(topic: string): string | undefined {
  if (/[+#]/.test(topic)) return 'a topic without the wildcards "+" and "#"';
  if (CONTROL.test(topic)) return "a topic without control characters";
  return topic.startsWith("$") ? 'a topic that does not begin with "$"' : undefined;
}

function subjectFault(subject: string): string | undefined {
  if (/[*>]/.test(subject)) return 'a subject without the wildcards "*" and ">"';
  if (/\s/.test(subject) || CONTROL.test(subject)) return "a subject without spaces";
  if (subject.split(".").includes("")) return "a subject without empty parts between its dots";
  return subject.startsWith("$") ? 'a subject that does not begin with "$"' : undefined;
}
