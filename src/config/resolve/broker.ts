// Resolves the broker settings: address, port, credentials and TLS.
import { defaultPort, isSecure, overTls, parseAddress, type TlsFiles } from "../../net/mod.ts";
import { quote } from "../../text/mod.ts";
import type { Faults } from "../errors.ts";
import { type ConfigPlace, findPem, readSecret } from "../files.ts";
import type { BrokerInput } from "../dialects/input.ts";
import type { BrokerConfig } from "./config.ts";
import type { Overrides } from "../overrides.ts";

/** Checks the broker in a document and on the command line; undefined when it is invalid. */
export function resolveBroker(
  input: BrokerInput,
  overrides: Overrides,
  place: ConfigPlace,
  faults: Faults,
): BrokerConfig | undefined {
  const credentials = resolveCredentials(input, place, faults);
  const parsed = input.address === undefined ? undefined : parseAddress(input.address);
  const address = parsed?.ok ? parsed.address : undefined;
  const isSecureAddress = address !== undefined && isSecure(address.protocol);
  const files = resolveTlsFiles(input, overrides, isSecureAddress, place, faults);
  if (parsed?.ok === false) faults.problem(input.paths.address, parsed.message);
  if (isSecureAddress && overrides.noTls) {
    const expected = 'an address without TLS, as "--no-tls" is given';
    faults.problem(
      input.paths.address,
      `Expected ${expected}: found ${quote(input.address ?? "")}`,
    );
  }
  if (address === undefined) return undefined;
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
    port: resolvePort(input, overrides, address.port, faults) ?? defaultPort(protocol),
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
    faults.problem(paths.username, "Expected a string, as there is a password: found nothing");
  }
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

/** The PEM files; undefined when neither the document nor the command line names one. */
function resolveTlsFiles(
  input: BrokerInput,
  { tls: replacing, noTls, tlsFiles = {} }: Overrides,
  isSecureAddress: boolean,
  place: ConfigPlace,
  faults: Faults,
): TlsFiles | undefined {
  const document: TlsNames = replacing === undefined ? input.tls ?? {} : {};
  const isOn = !noTls && (replacing !== undefined || isSecureAddress || namesFile(document));
  const isEmpty = (path: string) => faults.warning(path, "Key has no effect: it is empty");
  if (!isOn) {
    for (const part of TLS_PARTS) {
      if (document[part] === "") isEmpty(input.paths[part]);
      if (tlsFiles[part] !== undefined) faults.warning(`--${part}`, NO_TLS);
    }
    return undefined;
  }
  const named = replacing ?? tlsFiles;
  const onCommandLine = replacing !== undefined || namesFile(named);
  const given: TlsNames = { ...document };
  const resolved: { caFile?: string; certFile?: string; keyFile?: string } = {};
  for (const part of TLS_PARTS) {
    const own = named[part];
    given[part] = own ?? given[part];
    const name = given[part];
    if (name === undefined) continue;
    const path = own === undefined ? input.paths[part] : `--${part}`;
    if (name === "") {
      if (own !== undefined) faults.problem(path, 'Expected a file: found the string ""');
      else isEmpty(path);
      continue;
    }
    // Names on the command line are relative to the working directory only.
    const from = own === undefined ? place : { ...place, folder: place.workingDirectory };
    const found = findPem(name, from);
    if (found.ok) resolved[`${part}File`] = found.path;
    else faults.problem(path, found.message);
  }
  const missing = (part: TlsPart, expected: string) =>
    faults.problem(
      onCommandLine ? `--${part}` : input.paths[part],
      `Expected ${expected}: found nothing`,
    );
  if (replacing !== undefined && !given.ca) {
    missing("ca", 'a file of CA certificates, as "--tls" is given');
  }
  if (given.cert && !given.key) missing("key", "the key of the client certificate");
  if (given.key && !given.cert) missing("cert", "the client certificate of the key");
  return replacing !== undefined || namesFile(given) ? resolved : undefined;
}

const NO_TLS = "Option has no effect: neither --tls nor the address turns TLS on";
const TLS_PARTS = ["ca", "cert", "key"] as const;
type TlsPart = typeof TLS_PARTS[number];
type TlsNames = { [part in TlsPart]?: string | undefined };

function namesFile(names: TlsNames): boolean {
  return TLS_PARTS.some((part) => Boolean(names[part]));
}
