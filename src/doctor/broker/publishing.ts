// Checks whether the server may publish to the cars' topics. What is published there reaches
// connected gateways, so only cars without one are checked unless all are requested.
import { brokerAdvice, describeFailure, MqttSession } from "../../transport/mod.ts";
import { Findings } from "../findings.ts";
import { listenForGateways } from "../quiet_cars.ts";
import {
  CARS_AT_ONCE,
  MAX_LOST,
  type Subject,
  subjectsOf,
  type TopicCheckOptions,
  v311,
} from "./topics.ts";

const DEFAULT_RETURN_MS = 2_000;
const TOPICS = "external_server, external_server_disconnect";
const PUBLISH_ADVICE =
  "Allow the server's user to publish to <company>/<car>/external_server and " +
  "<company>/<car>/external_server_disconnect in the broker's rules";

export interface PublishingCheckOptions extends TopicCheckOptions {
  /** Deadline for published messages to come back, in milliseconds. @default {2_000} */
  readonly returnMs?: number;
}

/** Publishes an empty message to both topics of every car; connected gateways notice. */
export async function checkPublishing(options: PublishingCheckOptions): Promise<Findings> {
  const findings = new Findings("topics");
  const subjects = subjectsOf(options.config);
  findings.warning(
    TOPICS,
    `Published an empty message to both topics of ${subjects.length} cars: connected ` +
      "gateways end their sessions and connect again",
    "Use --publish only when that does no harm",
  );
  await tryPublishing(options, subjects, findings, "warning");
  return findings;
}

/** As {@linkcode checkPublishing}, for cars whose gateways stay silent for a given time. */
export async function checkQuietPublishing(
  options: PublishingCheckOptions & { readonly listenMs: number },
): Promise<Findings> {
  const findings = new Findings("topics");
  const subjects = subjectsOf(options.config);
  const { quiet, others } = await listenForGateways(
    options,
    subjects,
    options.listenMs,
    findings,
  );
  for (const { car } of others) findings.skipped(car, UNTRIED, UNTRIED_ADVICE);
  if (quiet.length > 0) await tryPublishing(options, quiet, findings, "skipped");
  return findings;
}

const UNTRIED =
  "Not checked: publishing to its topics, as a gateway may be connected and would notice";
const UNTRIED_ADVICE = "Run doctor with --publish while no gateway is connected";

/**
 * With MQTT 5, where the broker speaks it: only then does it say when it refuses a message.
 *
 * @param doubt the outcome for messages that neither come back nor are refused
 */
async function tryPublishing(
  options: PublishingCheckOptions,
  subjects: readonly Subject[],
  findings: Findings,
  doubt: "warning" | "skipped",
): Promise<void> {
  const { broker } = options.config;
  const open5 = () => MqttSession.open({ ...options, broker, protocolVersion: 5 });
  let session: MqttSession;
  try {
    session = await open5();
  } catch {
    return await publishAndWatch(options, subjects, findings, doubt);
  }
  await tryEach(subjects, findings, open5, askForRefusals, session);
}

const MAY_PUBLISH = "May publish to external_server and external_server_disconnect";

/** Tries one car after the other, over a connection that may not survive each of them. */
async function tryEach(
  subjects: readonly Subject[],
  findings: Findings,
  open: () => Promise<MqttSession>,
  attempt: (session: MqttSession, subject: Subject, findings: Findings) => Promise<void>,
  first?: MqttSession,
): Promise<void> {
  let session = first;
  let lost = 0;
  for (const subject of subjects) {
    const { car } = subject;
    if (lost >= MAX_LOST) {
      findings.skipped(car, `Not tried: the broker has closed ${lost} connections already`);
      continue;
    }
    try {
      session ??= await open();
    } catch (error) {
      giveUp(error, findings);
      return;
    }
    try {
      await attempt(session, subject, findings);
    } catch (error) {
      lost++;
      const { reason } = describeFailure(error as Error);
      findings.failed(car, `${CLOSES}: ${reason}`, PUBLISH_ADVICE);
      await session[Symbol.asyncDispose]();
      session = undefined;
    }
  }
  await session?.[Symbol.asyncDispose]();
}

const CLOSES =
  "The broker closes the connection on a message to external_server or external_server_disconnect";

function giveUp(error: unknown, findings: Findings): void {
  const { code, reason } = describeFailure(error as Error);
  findings.failed("publishing", `Given up: ${reason}`, brokerAdvice(code));
}

async function askForRefusals(
  session: MqttSession,
  subject: Subject,
  findings: Findings,
): Promise<void> {
  const refused: string[] = [];
  for (const topic of ownTopics(subject)) {
    const reason = await refusalOf(session, topic);
    if (reason) refused.push(`${topic.slice(topic.lastIndexOf("/") + 1)} (${reason})`);
  }
  if (refused.length === 0) findings.ok(subject.car, MAY_PUBLISH);
  else findings.failed(subject.car, `May not publish to ${refused.join(" and ")}`, PUBLISH_ADVICE);
}

/** Why an MQTT 5 broker refused a message; undefined when it did not. */
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

/** A message that comes back was allowed; one that does not was refused in one direction. */
async function publishAndWatch(
  options: PublishingCheckOptions,
  subjects: readonly Subject[],
  findings: Findings,
  doubt: "warning" | "skipped",
): Promise<void> {
  const { returnMs = DEFAULT_RETURN_MS } = options;
  const open = () => MqttSession.open({ ...options, ...v311(options) });
  const watch = async (session: MqttSession, batch: readonly Subject[]) => {
    const missing = await findSilent(session, batch.flatMap(ownTopics), returnMs);
    for (const subject of batch) {
      if (ownTopics(subject).every((topic) => !missing.has(topic))) {
        findings.ok(subject.car, MAY_PUBLISH);
      } else findings[doubt](subject.car, SILENT, `${PUBLISH_ADVICE}; MQTT 5 would say which`);
    }
  };
  let judged = 0;
  try {
    await using session = await open();
    for (; judged < subjects.length; judged += CARS_AT_ONCE) {
      await watch(session, subjects.slice(judged, judged + CARS_AT_ONCE));
    }
  } catch {
    // The connection was lost, and it is not known whose topic was the reason.
  }
  const rest = subjects.slice(judged);
  await tryEach(rest, findings, open, (session, subject) => watch(session, [subject]));
}

const SILENT = "A message to external_server or external_server_disconnect did not come back: " +
  "either publishing is forbidden, or reading, which the server does not need";

/** Publishes to topics; resolves with those from which nothing came back in time. */
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
  await session.listen(returnMs, complete.promise);
  await session.unsubscribe(topics);
  return missing;
}

function ownTopics({ topics }: Subject): string[] {
  return [topics.externalServer, topics.disconnect];
}
