// Checks whether the server may subscribe to the cars' topics. All cars share one connection, a few
// at a time. This is harmless: the broker sends copies of the messages.
import type { ServerConfig } from "../../config/mod.ts";
import { describeFailure, MqttSession } from "../../transport/mod.ts";
import type { TlsMaterial } from "../../net/mod.ts";
import { type CarTopics, carTopics } from "../../protocol/mod.ts";
import { Findings } from "../findings.ts";

/** Cars in one SUBSCRIBE, with three topics each. */
export const CARS_AT_ONCE = 20;
/** Connections that are tried with a broker that closes on what it forbids. */
export const MAX_LOST = 10;

export interface TopicCheckOptions {
  readonly config: ServerConfig;
  readonly tls: TlsMaterial | undefined;
  readonly signal: AbortSignal;
}

/** A car and its topics. */
export interface Subject {
  readonly car: string;
  readonly topics: CarTopics;
}

/** Subscribes to the topics of every car, a few cars at a time, and unsubscribes again. */
export async function checkSubscriptions(options: TopicCheckOptions): Promise<Findings> {
  const findings = new Findings("topics");
  const subjects = subjectsOf(options.config);
  let judged = 0;
  try {
    await using session = await MqttSession.open({ ...options, ...v311(options) });
    for (; judged < subjects.length; judged += CARS_AT_ONCE) {
      await subscribeBatch(session, subjects.slice(judged, judged + CARS_AT_ONCE), findings);
    }
  } catch {
    // The connection was closed, and it is not known which topic was the reason.
  }
  await trySingly(options, subjects.slice(judged), findings);
  return findings;
}

async function subscribeBatch(
  session: MqttSession,
  batch: readonly Subject[],
  findings: Findings,
): Promise<void> {
  const all = batch.flatMap(({ topics }) => [
    topics.moduleGateway,
    topics.externalServer,
    topics.disconnect,
  ]);
  const retained = new Set<string>();
  session.onMessage = (message) => {
    if (message.retained) retained.add(message.topic);
  };
  const allowed = await session.subscribe(all);
  await session.unsubscribe(all);
  batch.forEach(({ car, topics }, index) => {
    judgeSubscription(car, allowed[3 * index] === true, findings);
    for (const topic of Object.values(topics)) {
      if (retained.has(topic)) judgeRetained(car, topic, topics, findings);
    }
  });
}

/** One SUBSCRIBE for each car, with the topic that the server subscribes to. */
async function trySingly(
  options: TopicCheckOptions,
  subjects: readonly Subject[],
  findings: Findings,
): Promise<void> {
  let lost = 0;
  for (const { car, topics } of subjects) {
    if (lost >= MAX_LOST) {
      findings.skipped(car, `Not checked: the broker has closed ${lost} connections already`);
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

/** Reports what was not checked. */
export function explainUntried(config: ServerConfig, published: boolean): Findings {
  const findings = new Findings("topics");
  const cars = config.cars.length;
  if (!published) {
    findings.skipped(
      "external_server, external_server_disconnect",
      `Not checked for ${cars} cars: publishing. A broker discards forbidden messages silently ` +
        "(MQTT 3.1.1), and allowed ones reach the gateways",
      "Run doctor with --publish while no gateway is connected",
    );
  }
  findings.skipped(
    "gateways",
    "Not checked: what the gateways' own credentials allow, and how many clients the broker " +
      "accepts at once",
  );
  return findings;
}

/** A session like the server's own. */
export function v311({ config: { broker } }: TopicCheckOptions) {
  return { broker, protocolVersion: 4 } as const;
}

export function subjectsOf({ company, cars }: ServerConfig): Subject[] {
  return cars.map(({ name }) => ({ car: name, topics: carTopics(company, name) }));
}
