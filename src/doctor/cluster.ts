// Checks what a cluster stands on: etcd answers, and the broker keeps a conversation for whoever takes
// it over. Uses a car of its own name, which no gateway has.
import { randomUUID } from "node:crypto";
import { EtcdClient } from "../cluster/mod.ts";
import type { ClusterConfig, ServerConfig } from "../config/mod.ts";
import { silentLog } from "../log/mod.ts";
import { readTls } from "../net/mod.ts";
import { systemClock, within } from "../time/mod.ts";
import {
  type Connector,
  type Conversation,
  createConnector,
  MqttSession,
} from "../transport/mod.ts";
import { Findings } from "./findings.ts";

const ANSWER_MS = 5_000;
/** As many as an owner leaves unacknowledged before it writes a checkpoint. */
const MESSAGES = 10;

/** Nothing without a cluster. */
export async function checkCluster(config: ServerConfig, signal: AbortSignal): Promise<Findings> {
  const findings = new Findings("cluster");
  const { cluster } = config;
  if (cluster === undefined) return findings;
  await Promise.all([checkEtcd(cluster, findings), checkConversation(config, findings, signal)]);
  return findings;
}

async function checkEtcd({ etcd }: ClusterConfig, findings: Findings): Promise<void> {
  const { endpoints, login, tls: files } = etcd;
  const tls = files && await readTls(files);
  const found = await Promise.all(endpoints.map(async (endpoint) => {
    using client = new EtcdClient({
      endpoints: [endpoint],
      answerMs: ANSWER_MS,
      clock: systemClock,
      ...(tls && { tls }),
      ...(login && { login }),
    });
    try {
      const { version, leader } = await client.ask("/v3/maintenance/status", {});
      if (leader !== undefined && leader !== "0") {
        findings.ok(endpoint, `etcd ${version} answers, and has a leader`);
        return true;
      }
      findings.warning(endpoint, "It has no leader", "Start the other nodes of etcd");
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      findings.warning(endpoint, message, "Start this node of etcd, or correct cluster.etcd");
    }
    return false;
  }));
  if (found.includes(true)) return;
  findings.failed("etcd", "No node can be used", "Without etcd no server takes any car");
}

/** One message as it came. */
interface Came {
  readonly text: string;
  readonly packetId: number;
  readonly isDuplicate: boolean;
}

/** One owner of the trial car. */
class Owner {
  readonly came: Came[] = [];
  readonly accepted = Promise.withResolvers<boolean>();
  readonly ready = Promise.withResolvers<void>();
  readonly all = Promise.withResolvers<void>();
  readonly closed = Promise.withResolvers<string>();
  conversation: Conversation | undefined;

  async open(connector: Connector, company: string, car: string, epoch: number): Promise<void> {
    const stats = {
      connects: 0,
      disconnects: 0,
      bytesIn: 0,
      bytesOut: 0,
      messagesIn: 0,
      messagesOut: 0,
      oversize: 0,
    };
    this.conversation = await connector.createConversation({
      company,
      car,
      maxMessageBytes: 1_000,
      maxMessagesPerSecond: 10_000,
      epoch,
      stats,
      listener: {
        onAccepted: (present) => this.accepted.resolve(present),
        onCheckpoint: () => {},
        onBarrier: () => this.ready.resolve(),
        onMessage: (_from, payload, packetId, isDuplicate) => {
          const text = new TextDecoder().decode(payload);
          this.came.push({ text, packetId, isDuplicate });
          if (this.came.length === MESSAGES) this.all.resolve();
        },
        onClosed: ({ reason }) => this.closed.resolve(reason),
      },
    });
    this.conversation.open();
  }
}

async function checkConversation(
  config: ServerConfig,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const { broker, company, timeouts: { refusedPauseMs } } = config;
  const subject = `${broker.host}:${broker.port}`;
  const car = `doctor_${randomUUID().slice(0, 8)}`;
  const connector = await createConnector({ broker, refusedPauseMs, log: silentLog });
  const [first, second] = [new Owner(), new Owner()];
  const advice = "Use a broker that keeps conversations, such as Mosquitto 2, and allow the " +
    "server's user every topic below <company>/ and es/<company>/";
  const inTime = (promise: Promise<unknown>) => within(promise, ANSWER_MS);
  try {
    await first.open(connector, company, car, 1);
    if (!await inTime(first.ready.promise)) {
      return findings.failed(subject, "What a server says does not come back to it", advice);
    }
    const texts = Array.from({ length: MESSAGES }, (_, index) => `${index}`);
    for (const text of texts) first.conversation?.publish(new TextEncoder().encode(text));
    if (!await inTime(first.all.promise)) {
      const came = `${first.came.length} of ${MESSAGES} unacknowledged messages are delivered`;
      const allow = `Allow more in flight: max_inflight_messages ${2 * MESSAGES}`;
      return findings.failed(subject, `Its window is too small: ${came}`, allow);
    }
    findings.ok(subject, `${MESSAGES} messages are delivered before the first is acknowledged`);
    await second.open(connector, company, car, 2);
    if (!await inTime(first.closed.promise)) {
      return findings.failed(subject, "A second connection does not close the first", advice);
    }
    findings.ok(subject, "Whoever takes a car over cuts the owner before off");
    if (!await inTime(second.all.promise) || !await second.accepted.promise) {
      const message = `${second.came.length} of ${MESSAGES} unfinished messages are kept`;
      return findings.failed(subject, message, advice);
    }
    const isSame = second.came.every(({ text, packetId }, index) =>
      text === first.came[index]?.text && packetId === first.came[index]?.packetId
    );
    if (!isSame) {
      findings.failed(subject, "Unfinished messages change their order or packet ids", advice);
    } else if (!second.came.every(({ isDuplicate }) => isDuplicate)) {
      findings.failed(subject, "Messages that are sent again are not marked as such", advice);
    } else {
      findings.ok(subject, "Unfinished messages come again: in order, with their ids, marked");
    }
    findings.skipped(
      subject,
      "Not checked: whether conversations survive a restart of the broker",
      "For Mosquitto, set persistence true and autosave_interval 1",
    );
  } finally {
    // Nothing of the trial stays at the broker.
    const ids = second.came.map(({ packetId }) => packetId);
    second.conversation?.writeCheckpoint(new Uint8Array(0), ids);
    await Promise.all([first.conversation?.destroy(), second.conversation?.leave()]);
    await endSession(config, `es/${company}/${car}`, signal);
  }
}

/** A clean session takes the place of the kept one; whatever is wrong has been found before. */
async function endSession(
  { broker: { tls: files, ...broker } }: ServerConfig,
  clientId: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    const tls = files && await readTls(files);
    await using _session = await MqttSession.open({
      broker,
      tls,
      protocolVersion: 4,
      clientId,
      signal,
    });
  } catch {
    // The broker ends it some day.
  }
}
