// Whether the cars' topics may be used. All cars share one connection here, a few cars at a time.
//
// Subscribing is harmless: the broker sends a copy of what passes. Publishing is not, so it is only
// tried when asked for: whatever is sent there reaches a gateway that is connected.
import type { ServerConfig } from "../config/model.ts";
import { describeFailure } from "../mqtt/failure.ts";
import type { TlsMaterial } from "../mqtt/tls.ts";
import { type CarTopics, carTopics } from "../protocol/topics.ts";
import { adviceFor } from "./advice.ts";
import { Findings } from "./findings.ts";
import { MqttSession } from "./mqtt_session.ts";

/** Cars in one SUBSCRIBE, with three topics each. */
const CARS_AT_ONCE = 20;
/** Brokers that answer a forbidden SUBSCRIBE by closing are asked so often. */
const MAX_LOST = 10;
/** How long what was published may take to come back, in milliseconds. */
const RETURN_MS = 2_000;

/** What is done about topics. */
export interface TopicCheckOptions {
  readonly config: ServerConfig;
  readonly tls: TlsMaterial | undefined;
  readonly signal: AbortSignal;
}

interface Subject {
  readonly car: string;
  readonly topics: CarTopics;
}

/** Subscribes to the topics of every car, a few cars at a time, and leaves them again. */
export async function checkSubscriptions(options: TopicCheckOptions): Promise<Findings> {
  const findings = new Findings("topics");
  const subjects = subjectsOf(options.config);
  const suspects: Subject[] = [];
  for (let at = 0; at < subjects.length; at += CARS_AT_ONCE) {
    const batch = subjects.slice(at, at + CARS_AT_ONCE);
    if (suspects.length > 0) suspects.push(...batch);
    else if (!await tryBatch(options, batch, findings)) suspects.push(...batch);
  }
  await trySingly(options, suspects, findings);
  return findings;
}

/** False when the connection did not survive it: then it is not known whose fault that is. */
async function tryBatch(
  options: TopicCheckOptions,
  batch: readonly Subject[],
  findings: Findings,
): Promise<boolean> {
  const all = batch.flatMap(({ topics }) => [
    topics.moduleGateway,
    topics.externalServer,
    topics.disconnect,
  ]);
  const retained = new Set<string>();
  let allowed: boolean[];
  try {
    await using session = await MqttSession.open({ ...options, ...v311(options) });
    session.onMessage = (message) => {
      if (message.retained) retained.add(message.topic);
    };
    allowed = await session.subscribe(all);
    await session.unsubscribe(all);
  } catch {
    return false;
  }
  batch.forEach(({ car, topics }, index) => {
    judgeSubscription(car, allowed[3 * index] === true, findings);
    for (const topic of Object.values(topics)) {
      if (retained.has(topic)) judgeRetained(car, topic, topics, findings);
    }
  });
  return true;
}

/** One SUBSCRIBE for each car, for what the server itself subscribes to. */
async function trySingly(
  options: TopicCheckOptions,
  subjects: readonly Subject[],
  findings: Findings,
): Promise<void> {
  let lost = 0;
  for (const { car, topics } of subjects) {
    if (lost >= MAX_LOST) {
      findings.skipped(car, `Not tried: the broker has closed ${lost} connections already`);
      continue;
    }
    try {
      await using session = await MqttSession.open({ ...options, ...v311(options) });
      const [allowed = false] = await session.subscribe([topics.moduleGateway]);
      judgeSubscription(car, allowed, findings);
    } catch (error) {
      lost++;
      const { reason } = describeFailure(error as Error);
      findings.failed(car, `Subscribing to module_gateway failed: ${reason}`, SUBSCRIBE_ADVICE);
    }
  }
}

const SUBSCRIBE_ADVICE =
  "Allow the server's user to subscribe to <company>/<car>/module_gateway in the broker's rules";
const PUBLISH_ADVICE =
  "Allow the server's user to publish to <company>/<car>/external_server and " +
  "<company>/<car>/external_server_disconnect in the broker's rules";

function judgeSubscription(car: string, allowed: boolean, findings: Findings): void {
  if (allowed) findings.ok(car, "May subscribe to module_gateway");
  else findings.failed(car, "May not subscribe to module_gateway", SUBSCRIBE_ADVICE);
}

function judgeRetained(car: string, topic: string, topics: CarTopics, findings: Findings): void {
  const name = topic.slice(topic.lastIndexOf("/") + 1);
  const effect = topic === topics.moduleGateway
    ? "the server gets it with every connection"
    : "the gateway gets it with every connection";
  findings.warning(
    car,
    `The broker keeps a retained message on ${name}: ${effect}`,
    `Delete it: publish an empty retained message there while the car is away`,
  );
}

/** Says what was not tried. */
export function explainUntried(config: ServerConfig, publish: boolean): Findings {
  const findings = new Findings("topics");
  const cars = config.cars.length;
  if (!publish) {
    findings.skipped(
      "external_server, external_server_disconnect",
      `Not tried for ${cars} cars: whether they may be published to. A broker takes forbidden ` +
        "messages without a word (MQTT 3.1.1), and allowed ones reach the gateways",
      "Run the doctor with --publish while no gateway is connected",
    );
  }
  findings.skipped(
    "gateways",
    "Not tried: what the gateways' own credentials allow, how many clients the broker takes at " +
      "once, and the last will",
  );
  return findings;
}

/** Publishes an empty message to both topics of every car, which gateways that are there notice. */
export async function checkPublishing(options: TopicCheckOptions): Promise<Findings> {
  const findings = new Findings("topics");
  const subjects = subjectsOf(options.config);
  findings.warning(
    "external_server, external_server_disconnect",
    `Published an empty message to both topics of ${subjects.length} cars: gateways that are ` +
      "connected end their sessions and connect again",
    "Use --publish only while that does no harm",
  );
  let session: MqttSession;
  try {
    // Only MQTT 5 brokers say when they refuse a message.
    session = await MqttSession.open({ ...options, broker: options.config.broker, ...V5 });
  } catch {
    await publishAndWatch(options, subjects, findings);
    return findings;
  }
  try {
    for (const subject of subjects) {
      const { car } = subject;
      const refused: string[] = [];
      for (const topic of ownTopics(subject)) {
        const reason = await refusalOf(session, topic);
        if (reason) refused.push(`${topic.slice(topic.lastIndexOf("/") + 1)} (${reason})`);
      }
      if (refused.length === 0) findings.ok(car, MAY_PUBLISH);
      else findings.failed(car, `May not publish to ${refused.join(" and ")}`, PUBLISH_ADVICE);
    }
  } catch (error) {
    const { reason } = describeFailure(error as Error);
    findings.failed("publishing", `Given up: ${reason}`, adviceFor(reason));
  } finally {
    await session[Symbol.asyncDispose]();
  }
  return findings;
}

const V5 = { protocolVersion: 5 } as const;
const MAY_PUBLISH = "May publish to external_server and external_server_disconnect";

/** Why an MQTT 5 broker refuses a message; undefined when it does not. */
async function refusalOf(session: MqttSession, topic: string): Promise<string | undefined> {
  try {
    await session.publishEmpty(topic);
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? Number(error.code) : NaN;
    if (!(code >= 128)) throw error;
    return code === 135 ? "not authorized" : `reason code ${code}`;
  }
}

/** A message that comes back was allowed; one that does not was refused on its way, or back. */
async function publishAndWatch(
  options: TopicCheckOptions,
  subjects: readonly Subject[],
  findings: Findings,
): Promise<void> {
  try {
    await using session = await MqttSession.open({ ...options, ...v311(options) });
    for (let at = 0; at < subjects.length; at += CARS_AT_ONCE) {
      const batch = subjects.slice(at, at + CARS_AT_ONCE);
      const missing = await findSilent(session, batch.flatMap(ownTopics));
      for (const subject of batch) {
        if (ownTopics(subject).every((topic) => !missing.has(topic))) {
          findings.ok(subject.car, MAY_PUBLISH);
        } else findings.warning(subject.car, SILENT, `${PUBLISH_ADVICE}; MQTT 5 would say which`);
      }
    }
  } catch (error) {
    const { reason } = describeFailure(error as Error);
    findings.failed("publishing", `Given up: ${reason}`, adviceFor(reason));
  }
}

const SILENT = "What was published to external_server or external_server_disconnect did not come " +
  "back: either that is forbidden, or reading it is, which the server does not need";

/** Publishes to topics and resolves with those from which nothing came back in time. */
async function findSilent(session: MqttSession, topics: readonly string[]): Promise<Set<string>> {
  const missing = new Set(topics);
  const complete = Promise.withResolvers<void>();
  session.onMessage = ({ topic, retained }) => {
    if (!retained && missing.delete(topic) && missing.size === 0) complete.resolve();
  };
  await session.subscribe(topics);
  for (const topic of topics) await session.publishEmpty(topic);
  const timer = setTimeout(complete.resolve, RETURN_MS);
  await complete.promise;
  clearTimeout(timer);
  await session.unsubscribe(topics);
  return missing;
}

function ownTopics({ topics }: Subject): string[] {
  return [topics.externalServer, topics.disconnect];
}

function v311({ config: { broker } }: TopicCheckOptions) {
  return { broker, protocolVersion: 4 } as const;
}

function subjectsOf({ company, cars }: ServerConfig): Subject[] {
  return cars.map(({ name }) => ({ car: name, topics: carTopics(company, name) }));
}
