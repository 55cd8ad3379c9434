// A sink that publishes to a stream of NATS JetStream, each event to a subject of its own and with its id:
// the stream drops what comes again.
import { jetstream, JetStreamApiError, type JetStreamClient } from "@nats-io/jetstream";
import {
  type Authenticator,
  type ConnectionOptions,
  credsAuthenticator,
  type NatsConnection,
  RequestError,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import type { NatsSinkConfig } from "../config/mod.ts";
import { readTls } from "../net/mod.ts";
import { MAX_SECRET_BYTES, readBytes, readText, secretOf } from "../text/mod.ts";
import { VERSION } from "../version.ts";
import { ConnectedSink, type Outlet } from "./connected_sink.ts";
import { connectNats } from "./nats_connection.ts";
import { SinkError, type SinkMessage } from "./sink.ts";
import { NATS_SPECIAL, NO_EVENT, topicsOf } from "./topic.ts";

/** Deadline for connecting, in milliseconds. */
const CONNECT_MS = 10_000;
/** Deadline for an acknowledgement, in milliseconds. */
const ACK_MS = 10_000;
/** Silence after which the server is asked whether it is there, in milliseconds. */
const PING_MS = 15_000;
/** The code of JetStream for a message that is to follow another than the last. */
const WRONG_SEQUENCE = 10_071;

const NO_STREAM_ADVICE =
  "Make a stream for the sink's subjects (nats stream add), with JetStream on";
const LOGIN_ADVICE = "Check the sink's user, token or credentials against the server's";
const PUBLISH_ADVICE =
  "Allow the sink's user to publish to its subjects, and to subscribe to _INBOX.>";
const REACH_ADVICE = "Check the address, the server, and every firewall on the way";

/** A message is taken when the stream acknowledges it. */
export function natsSink(config: NatsSinkConfig, company: string): ConnectedSink {
  const subjectOf = topicsOf(config.subject, company, NATS_SPECIAL);
  return new ConnectedSink({
    target: config.address,
    open: (signal) => NatsOutlet.open(config, subjectOf, signal),
  });
}

class NatsOutlet implements Outlet {
  readonly #connection: NatsConnection;
  readonly #stream: JetStreamClient;
  readonly #config: NatsSinkConfig;
  readonly #expected: { readonly streamName?: string };
  readonly #subjectOf: (event: SinkMessage["event"]) => string;

  private constructor(
    connection: NatsConnection,
    config: NatsSinkConfig,
    subjectOf: (event: SinkMessage["event"]) => string,
  ) {
    this.#connection = connection;
    this.#stream = jetstream(connection);
    this.#config = config;
    this.#expected = config.stream === undefined ? {} : { streamName: config.stream };
    this.#subjectOf = subjectOf;
  }

  static async open(
    config: NatsSinkConfig,
    subjectOf: (event: SinkMessage["event"]) => string,
    signal: AbortSignal,
  ): Promise<NatsOutlet> {
    const options = await optionsOf(config);
    let connection: NatsConnection;
    try {
      connection = await connectNats(options);
    } catch (error) {
      throw failureOf(error);
    }
    const outlet = new NatsOutlet(connection, config, subjectOf);
    if (!signal.aborted) return outlet;
    await outlet[Symbol.asyncDispose]();
    throw signal.reason;
  }

  get isOpen(): boolean {
    return !this.#connection.isClosed();
  }

  get maxInFlight(): number {
    return this.#config.maxInFlight;
  }

  async publish({ event, body }: SinkMessage): Promise<void> {
    const expect = this.#expected;
    const subject = this.#subjectOf(event);
    try {
      await this.#stream.publish(subject, body, { msgID: event.id, timeout: ACK_MS, expect });
    } catch (error) {
      throw failureOf(error, subject);
    }
  }

  /** A message that has to follow one that cannot be is refused by the stream, and kept nowhere. */
  async probe(): Promise<string> {
    const subject = this.#subjectOf(NO_EVENT);
    const expect = { ...this.#expected, lastSequence: Number.MAX_SAFE_INTEGER };
    try {
      await this.#stream.publish(subject, "", { timeout: ACK_MS, expect });
    } catch (error) {
      if (!(error instanceof JetStreamApiError && error.code === WRONG_SEQUENCE)) {
        throw failureOf(error, subject);
      }
    }
    return `May publish: a stream takes "${subject}"; nothing was kept there`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close().catch(() => {});
  }
}

/** The files are read for each connection. */
async function optionsOf(config: NatsSinkConfig): Promise<ConnectionOptions> {
  const { address, caFile, certFile, keyFile } = config;
  const files = {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  };
  const isSecure = address.startsWith("tls:");
  if (isSecure && !canUpgrade(Deno.version.deno)) {
    throw new SinkError(
      `Deno ${Deno.version.deno} cannot begin TLS within a connection, as NATS does`,
      { advice: "Run the server with Deno 2.9" },
    );
  }
  return {
    servers: address.split(",").map((each) => each.replace(/^[a-z]+:\/\//, "")),
    name: `external-server/${VERSION}`,
    authenticator: await authenticatorsOf(config),
    // The exporter connects again, with pauses that grow.
    reconnect: false,
    maxReconnectAttempts: 0,
    timeout: CONNECT_MS,
    pingInterval: PING_MS,
    noAsyncTraces: true,
    // With `null`, a connection stays in clear text where the server offers TLS.
    tls: isSecure ? { ...await readTls(files) } : null,
  };
}

/** Whether `node:tls` takes a socket that is open: older ones end it. */
function canUpgrade(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 2 || minor >= 9;
}

async function authenticatorsOf(config: NatsSinkConfig): Promise<Authenticator[]> {
  const { username, passwordFile, tokenFile, credentialsFile } = config;
  const limit = { maxBytes: MAX_SECRET_BYTES };
  if (credentialsFile !== undefined) {
    return [credsAuthenticator(await readBytes(credentialsFile, limit))];
  }
  if (tokenFile !== undefined) {
    return [tokenAuthenticator(secretOf(await readText(tokenFile, limit)))];
  }
  if (username === undefined) return [];
  const password = passwordFile && secretOf(await readText(passwordFile, limit));
  return [usernamePasswordAuthenticator(username, password)];
}

/** Puts an error into words. */
function failureOf(cause: unknown, subject?: string): SinkError {
  const error = cause instanceof RequestError && cause.cause instanceof Error ? cause.cause : cause;
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  const fail = (reason: string, advice: string) => new SinkError(reason, { cause, advice });
  const to = subject === undefined ? "" : ` to "${subject}"`;
  switch (name) {
    case "JetStreamNotEnabled":
      return fail(`no stream takes a message${to}`, NO_STREAM_ADVICE);
    case "JetStreamApiError":
      return fail(`the stream refuses a message${to}: ${message}`, "Look at the stream's limits");
    case "PermissionViolationError":
      return fail(`the server refuses a message${to}: not authorized`, PUBLISH_ADVICE);
    case "AuthorizationError":
    case "UserAuthenticationExpiredError":
      return fail("not authorized", LOGIN_ADVICE);
    case "TimeoutError":
      return fail(
        subject === undefined
          ? `no answer within ${CONNECT_MS / 1000} s`
          : `no acknowledgement of a message${to} within ${ACK_MS / 1000} s`,
        REACH_ADVICE,
      );
    default:
      return fail(message, REACH_ADVICE);
  }
}
