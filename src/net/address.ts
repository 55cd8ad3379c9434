// Parses and formats broker addresses: a host, or mqtt://, mqtts://, ws:// and wss:// addresses;
// and facts about protocols, hosts and ports.
import { maskText, quote } from "../text/mod.ts";

/** How to reach a broker. */
export interface Endpoint {
  readonly protocol: "mqtt" | "mqtts" | "ws" | "wss";
  readonly host: string;
  readonly port: number;
  /** Path of a WebSocket address, with its leading slash; "" for plain MQTT. */
  readonly path: string;
}

type Protocol = Endpoint["protocol"];

/** The parts of an address. */
export interface BrokerAddress {
  readonly protocol: Protocol;
  readonly host: string;
  readonly port: number | undefined;
  /** With its leading slash for WebSockets, else "". */
  readonly path: string;
}

/** Result of {@linkcode parseAddress}; `message` has no secrets. */
export type AddressResult =
  | { readonly ok: true; readonly address: BrokerAddress }
  | { readonly ok: false; readonly message: string };

const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  mqtt: "mqtt",
  mqtts: "mqtts",
  ws: "ws",
  wss: "wss",
};

/** Ports of addresses without one. */
const DEFAULT_PORTS: Readonly<Record<Protocol, number>> = {
  mqtt: 1883,
  mqtts: 8883,
  ws: 80,
  wss: 443,
};

/** The port of an address without one. */
export function defaultPort(protocol: Protocol): number {
  return DEFAULT_PORTS[protocol];
}

/** Scheme, credentials, host, port, and the rest. */
const URL_PARTS = /^([A-Za-z][\w+.-]*):\/\/(?:(.*)@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d*))?([/?#].*)?$/s;

export function parseAddress(text: string): AddressResult {
  const shown = quote(maskText(text));
  const fail = (expected: string): AddressResult => ({
    ok: false,
    message: `Expected ${expected}: found the string ${shown}`,
  });
  if (!text.includes("://")) {
    const host = parseHost(text);
    if (host !== undefined) {
      return { ok: true, address: { protocol: "mqtt", host, port: undefined, path: "" } };
    }
    return fail(
      "a host without a port, or an address that begins with mqtt://, mqtts://, ws:// or wss://",
    );
  }
  const [, scheme = "", credentials, hostText = "", portText = "", rest = ""] =
    URL_PARTS.exec(text) ?? [];
  const name = scheme.toLowerCase();
  const protocol = Object.hasOwn(PROTOCOLS, name) ? PROTOCOLS[name] : undefined;
  if (protocol === undefined) {
    return fail("an address that begins with mqtt://, mqtts://, ws:// or wss://");
  }
  if (credentials !== undefined) {
    return fail(
      'no user name or password in the address, but in "mqtt_username" and "mqtt_password"',
    );
  }
  const host = parseHost(hostText);
  if (host === undefined) return fail("an address with a valid host");
  const port = portText === "" ? undefined : Number(portText);
  if (port !== undefined && (port < 1 || port > 65_535)) return fail("a port from 1 to 65535");
  const path = parsePath(protocol, rest);
  if (path === undefined) {
    return fail(
      isWebSocket(protocol)
        ? 'an address without spaces, "?" and "#"'
        : "an address without a path, which only ws:// and wss:// have",
    );
  }
  return { ok: true, address: { protocol, host, port, path } };
}

/** A host name, an IPv4 address, or an IPv6 address with or without brackets (dropped). */
function parseHost(text: string): string | undefined {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  if (/^[\da-fA-F:.]*:[\da-fA-F:.]*:[\da-fA-F:.]*(?:%[\w.-]+)?$/.test(bare)) return bare;
  return bare === text && /^[\p{L}\p{N}_](?:[\p{L}\p{N}_.-]*)$/u.test(text) ? text : undefined;
}

function parsePath(protocol: Protocol, rest: string): string | undefined {
  if (!isWebSocket(protocol)) return rest === "" || rest === "/" ? "" : undefined;
  if (rest === "") return "/";
  return /^\/[^\s?#]*$/.test(rest) ? rest : undefined;
}

/** Whether an address can be reached only from this machine. */
export function isLoopback(address: string): boolean {
  return address === "localhost" || address === "::1" || /^127(?:\.\d{1,3}){3}$/.test(address);
}

/** Formats an address; the inverse of {@linkcode parseAddress}. */
export function formatAddress(broker: Omit<Endpoint, "port">): string {
  if (broker.protocol === "mqtt") return broker.host;
  return `${broker.protocol}://${bracketed(broker.host)}${broker.path}`;
}

/** A broker's name in logs: `mqtts://broker.test:8883`. */
export function brokerAddress(
  { protocol, host, port, path }: Endpoint,
): string {
  return `${protocol}://${hostPort(host, port)}${path}`;
}

/** A host and its port, as in addresses and in HTTP's `Host`: an IPv6 host in brackets. */
export function hostPort(host: string, port: number): string {
  return `${bracketed(host)}:${port}`;
}

/** Only IPv6 addresses have colons. */
function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Whether a protocol uses TLS. */
export function isSecure(protocol: Protocol): boolean {
  return protocol === "mqtts" || protocol === "wss";
}

/** Whether a protocol uses a WebSocket. */
export function isWebSocket(protocol: Protocol): boolean {
  return protocol === "ws" || protocol === "wss";
}

/** The same protocol over TLS. */
export function overTls(protocol: Protocol): "mqtts" | "wss" {
  return isWebSocket(protocol) ? "wss" : "mqtts";
}

/** The host to connect to, from this machine, when `host` is listened on: 0.0.0.0 is not one. */
export function reachableHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}
