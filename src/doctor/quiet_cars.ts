// Finds cars without a connected gateway, to whose topics it is safe to publish.
import { describeFailure, MqttSession } from "../transport/mod.ts";
import type { Findings } from "./findings.ts";
import { CARS_AT_ONCE, type Subject, type TopicCheckOptions, v311 } from "./broker/topics.ts";

/** The QoS of the server's subscriptions; messages with a higher one are invalid. */
const MAX_QOS = 1;

/** The result; empty when the broker is unreliable, which is a finding. */
export interface Listening {
  readonly quiet: readonly Subject[];
  /** Cars with a gateway, or whose topics may not be read. */
  readonly others: readonly Subject[];
}

/**
 * Listens to every car for a given time, or until all have been heard. A gateway in a session sends a
 * status every 15 s, and one that is in none a Connect [GATEWAY-TIMES].
 */
export async function listenForGateways(
  options: TopicCheckOptions,
  subjects: readonly Subject[],
  listenMs: number,
  findings: Findings,
): Promise<Listening> {
  const quiet = new Map<string, Subject>();
  const enough = Promise.withResolvers<void>();
  let broken = false;
  try {
    await using session = await MqttSession.open({ ...options, ...v311(options) });
    session.onMessage = ({ topic, retained, qos }) => {
      if (qos > MAX_QOS && !broken) {
        broken = true;
        findings.failed(topic, `Message with QoS ${qos}: ${MAX_QOS} was asked for`, QOS_ADVICE);
      }
      if (!retained) quiet.delete(topic);
      if (broken || quiet.size === 0) enough.resolve();
    };
    for (let at = 0; at < subjects.length; at += CARS_AT_ONCE) {
      const batch = subjects.slice(at, at + CARS_AT_ONCE);
      for (const subject of batch) quiet.set(subject.topics.moduleGateway, subject);
      const allowed = await session.subscribe(batch.map(({ topics }) => topics.moduleGateway));
      batch.forEach(({ topics }, i) => {
        if (!allowed[i]) quiet.delete(topics.moduleGateway);
      });
    }
    if (quiet.size > 0) await session.listen(listenMs, enough.promise);
  } catch (error) {
    broken = true;
    const { reason } = describeFailure(error as Error);
    findings.failed(
      "listening",
      `The broker ended the connection after the subscription: ${reason}`,
      "Look at the broker's log for the same moment",
    );
  }
  if (broken) return { quiet: [], others: [] };
  const silent = subjects.filter(({ topics }) => quiet.has(topics.moduleGateway));
  return { quiet: silent, others: subjects.filter((subject) => !silent.includes(subject)) };
}

const QOS_ADVICE = "Have the broker keep to the QoS of the subscription: the server gives such a " +
  "connection up";
