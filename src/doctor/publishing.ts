// Whether the cars' topics may be published to. Only tried when asked for: whatever is sent there
// reaches a gateway that is connected.
import { brokerAdvice } from "../mqtt/broker_advice.ts";
import { describeFailure } from "../mqtt/failure.ts";
import { Findings } from "./findings.ts";
import { MqttSession } from "./mqtt_session.ts";
import { CARS_AT_ONCE, type Subject, subjectsOf, type TopicCheckOptions, v311 } from "./topics.ts";

const DEFAULT_RETURN_MS = 2_000;
const PUBLISH_ADVICE =
  "Allow the server's user to publish to <company>/<car>/external_server and " +
  "<company>/<car>/external_server_disconnect in the broker's rules";

/** What is done about publishing. */
export interface PublishingCheckOptions extends TopicCheckOptions {
  /** How long what was published may take to come back, in milliseconds. @default {2_000} */
  readonly returnMs?: number;
}

/** Publishes an empty message to both topics of every car, which gateways that are there notice. */
export async function checkPublishing(options: PublishingCheckOptions): Promise<Findings> {
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
    const { code, reason } = describeFailure(error as Error);
    findings.failed("publishing", `Given up: ${reason}`, brokerAdvice(code));
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
  options: PublishingCheckOptions,
  subjects: readonly Subject[],
  findings: Findings,
): Promise<void> {
  const { returnMs = DEFAULT_RETURN_MS } = options;
  try {
    await using session = await MqttSession.open({ ...options, ...v311(options) });
    for (let at = 0; at < subjects.length; at += CARS_AT_ONCE) {
      const batch = subjects.slice(at, at + CARS_AT_ONCE);
      const missing = await findSilent(session, batch.flatMap(ownTopics), returnMs);
      for (const subject of batch) {
        if (ownTopics(subject).every((topic) => !missing.has(topic))) {
          findings.ok(subject.car, MAY_PUBLISH);
        } else findings.warning(subject.car, SILENT, `${PUBLISH_ADVICE}; MQTT 5 would say which`);
      }
    }
  } catch (error) {
    const { code, reason } = describeFailure(error as Error);
    findings.failed("publishing", `Given up: ${reason}`, brokerAdvice(code));
  }
}

const SILENT = "What was published to external_server or external_server_disconnect did not come " +
  "back: either that is forbidden, or reading it is, which the server does not need";

/** Publishes to topics and resolves with those from which nothing came back in time. */
async function findSilent(
  session: MqttSession,
  topics: readonly string[],
  returnMs: number,
): Promise<Set<string>> {
  const missing = new Set(topics);
  const complete = Promise.withResolvers<void>();
  session.onMessage = ({ topic, retained }) => {
    if (!retained && missing.delete(topic) && missing.size === 0) complete.resolve();
  };
  await session.subscribe(topics);
  for (const topic of topics) await session.publishEmpty(topic);
  const timer = setTimeout(complete.resolve, returnMs);
  await complete.promise;
  clearTimeout(timer);
  await session.unsubscribe(topics);
  return missing;
}

function ownTopics({ topics }: Subject): string[] {
  return [topics.externalServer, topics.disconnect];
}
