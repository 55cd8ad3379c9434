// Resolves the broker settings: address, port, credentials and TLS.
import { isSecure, overTls, parseAddress, type TlsFiles } from "../../net/mod.ts";
import type { Faults } from "../errors.ts";
import { type ConfigPlace, findPem, readSecret } from "../files.ts";
import type { BrokerInput } from "../dialects/input.ts";
import type { BrokerConfig } from "./config.ts";
import type { Overrides } from "../overrides.ts";

/** Default ports. */
const PORT_DEFAULTS = {
  mqtt: 1883,
  mqtts: 8883,
  ws: 80,
  wss: 443,
} as const satisfies Readonly<Record<string, number>>;

/** Checks the broker in a document and on the command line; undefined when it is invalid. */
export function resolveBroker(
  input: BrokerInput,
  overrides: Overrides,
  place: ConfigPlace,
  faults: Faults,
): BrokerConfig | undefined {
  const credentials = resolveCredentials(input, place, faults);
  const files = resolveTlsFiles(input, overrides, place, faults);
  if (input.address === undefined) return undefined;
  const parsed = parseAddress(input.address);
  if (!parsed.ok) {
    faults.problem(input.paths.address, parsed.message);
    return undefined;
  }
  const { address } = parsed;
  const secure = files !== undefined || isSecure(address.protocol);
  const protocol = secure ? overTls(address.protocol) : address.protocol;
  if (secure && overrides.embeddedBroker !== undefined && files?.certFile === undefined) {
    const expected = "a file with the embedded broker's certificate, as TLS is on";
    const path = overrides.tls === undefined ? input.paths.cert : "--cert";
    faults.problem(path, `Expected ${expected}: found nothing`);
  }
  return {
    protocol,
    host: address.host,
    port: resolvePort(input, overrides, address.port, faults) ?? PORT_DEFAULTS[protocol],
    path: address.path,
    ...credentials,
    ...(secure ? { tls: files ?? {} } : {}),
  };
}

function resolvePort(
  input: BrokerInput,
  overrides: Overrides,
  addressPort: number | undefined,
  faults: Faults,
): number | undefined {
  const listenPort = overrides.embeddedBroker?.port;
  if (listenPort !== undefined) {
    if (!Number.isInteger(listenPort) || listenPort < 0 || listenPort > 65_535) {
      faults.problem("--broker", `Expected a port from 0 to 65535: found ${listenPort}`);
    }
    return listenPort;
  }
  if (input.port !== undefined && addressPort !== undefined && input.port !== addressPort) {
    faults.warning(
      input.paths.port,
      `Two ports: ${input.port} is used, ${addressPort} in the address is ignored`,
    );
  }
  return input.port ?? addressPort;
}

function resolveCredentials(
  input: BrokerInput,
  place: ConfigPlace,
  faults: Faults,
): Pick<BrokerConfig, "username" | "password"> {
  const { username, passwordFile, paths } = input;
  let { password } = input;
  if (password !== undefined && passwordFile !== undefined) {
    faults.problem(
      paths.passwordFile,
      'Expected either "mqtt_password" or "mqtt_password_file": found both',
    );
  }
  if (passwordFile !== undefined) {
    const read = readSecret(passwordFile, place);
    if (!read.ok) faults.problem(paths.passwordFile, read.message);
    else password ??= read.text;
  }
  if (password !== undefined && username === undefined) {
    // MQTT 3.1.1 does not allow a password without a user name.
    faults.problem(paths.username, "Expected a text, as there is a password: found nothing");
  }
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

/** The PEM files; undefined when neither the document nor the command line names one. */
function resolveTlsFiles(
  input: BrokerInput,
  overrides: Overrides,
  place: ConfigPlace,
  faults: Faults,
): TlsFiles | undefined {
  const given = overrides.tls ?? input.tls;
  if (given === undefined) return undefined;
  const onCommandLine = overrides.tls !== undefined;
  const paths = onCommandLine ? { ca: "--ca", cert: "--cert", key: "--key" } : input.paths;
  // Names on the command line are relative to the working directory only.
  const from = onCommandLine ? { ...place, folder: place.workingDirectory } : place;
  const resolved: { caFile?: string; certFile?: string; keyFile?: string } = {};
  const resolveFile = (part: "ca" | "cert" | "key") => {
    const name = given[part];
    if (name === undefined) return;
    if (name === "") {
      if (onCommandLine) faults.problem(paths[part], 'Expected a file: found the text ""');
      else faults.warning(paths[part], "Key has no effect: it is empty");
      return;
    }
    const found = findPem(name, from);
    if (found.ok) resolved[`${part}File`] = found.path;
    else faults.problem(paths[part], found.message);
  };
  resolveFile("ca");
  resolveFile("cert");
  resolveFile("key");
  const missing = (part: "ca" | "cert" | "key", expected: string) =>
    faults.problem(paths[part], `Expected ${expected}: found nothing`);
  if (onCommandLine && !given.ca) {
    missing("ca", 'a file of CA certificates, as "--tls" is given');
  }
  if (given.cert && !given.key) missing("key", "the key of the client certificate");
  if (given.key && !given.cert) missing("cert", "the client certificate of the key");
  return onCommandLine || given.ca || given.cert || given.key ? resolved : undefined;
}
