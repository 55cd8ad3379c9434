// A car's conversation over a real broker [MQTT-CLUSTER].
import { carTopics } from "../../protocol/mod.ts";
import type { Conversation, ConversationOptions } from "../conversation.ts";
import type { MessageLimits } from "../transport.ts";
import { BrokerConnection } from "./broker_connection.ts";
import type { BrokerConnector } from "./broker_connector.ts";
import type { Attempt } from "./connect_queue.ts";
import type { BrokerFailure } from "./failure.ts";
import { isDuplicate, topicField, topicOf, unacknowledgedPublish } from "./packets.ts";

/** Checkpoints have what gateways have sent, several times over; in bytes. */
const MAX_CHECKPOINT_BYTES = 16 * 1024 * 1024;
const NO_PAYLOAD = new Uint8Array(0);

/** What a message is, by its topic. */
type Kind = "gateway" | "self" | "state" | "barrier" | "unknown";

export interface MqttConversationOptions extends ConversationOptions {
  readonly connector: BrokerConnector;
}

type Phase =
  | { readonly name: "idle" }
  | { readonly name: "queued"; readonly cancel: () => void }
  | { readonly name: "connecting"; readonly attempt: Attempt }
  | { readonly name: "closed" };

/**
 * The {@linkcode Conversation} over MQTT.
 *
 * The retained checkpoint is asked for with QoS 0, as it would otherwise wait behind messages that
 * are not acknowledged before it has come.
 */
export class MqttConversation implements Conversation {
  readonly #options: MqttConversationOptions;
  readonly #connection: BrokerConnection;
  readonly #names;
  readonly #fields;
  readonly #barrier: Uint8Array;
  #phase: Phase = { name: "idle" };
  /** The retained message, until it is known that none follows. */
  #state: Uint8Array | null = null;
  #hasAskedState = false;
  #isSubscribed = false;
  #isLeaving = false;
  /** Barriers to be acknowledged once SUBACK is there. */
  #oldBarriers: number[] = [];

  constructor(options: MqttConversationOptions) {
    const { connector, company, car, stats, epoch } = options;
    this.#options = options;
    const { moduleGateway, externalServer, disconnect } = carTopics(company, car);
    const own = `es/${company}/${car}`;
    this.#names = { moduleGateway, externalServer, state: `${own}/state`, own: `${own}/barrier` };
    this.#fields = {
      gateway: topicField(moduleGateway),
      self: topicField(externalServer),
      disconnect: topicField(disconnect),
      state: topicField(this.#names.state),
      barrier: topicField(this.#names.own),
    };
    this.#barrier = new TextEncoder().encode(`${epoch} ${crypto.randomUUID()}`);
    this.#connection = new BrokerConnection({
      connector,
      topics: carTopics(company, car),
      limits: this.#limits(options),
      stats,
      persistent: { clientId: own, take: this.#take },
      listener: {
        onAccepted: (sessionPresent) => this.#onAccepted(sessionPresent),
        onMessage: () => {},
        onOversize: (bytes) => options.onOversize?.(bytes, MAX_CHECKPOINT_BYTES),
        onFlood: () => options.onFlood?.(options.maxMessagesPerSecond),
        onClosed: (failure) => this.#onClosed(failure),
      },
    });
  }

  open(): void {
    let entered = false;
    const cancel = this.#options.connector.enter((attempt) => {
      entered = true;
      this.#phase = { name: "connecting", attempt };
      this.#connection.open();
    });
    if (!entered) this.#phase = { name: "queued", cancel };
  }

  publish(payload: Uint8Array): void {
    this.#connection.link?.outgoing.publish(this.#fields.self, payload);
  }

  notifyDisconnect(): void {
    this.#connection.link?.outgoing.publish(this.#fields.disconnect, NO_PAYLOAD);
  }

  writeCheckpoint(encoded: Uint8Array, acknowledged: readonly number[]): void {
    this.#connection.link?.outgoing.publishRetained(this.#fields.state, encoded, acknowledged);
  }

  pause(): void {
    this.#connection.link?.incoming.pause();
  }

  resume(): void {
    this.#connection.link?.incoming.resume();
  }

  limit(limits: MessageLimits): void {
    this.#connection.link?.incoming.limit(this.#limits(limits));
  }

  async leave(): Promise<boolean> {
    this.#isLeaving = true;
    const { name } = this.#phase;
    if (name === "connecting") return await this.#connection.leave();
    await this.destroy();
    return false;
  }

  async destroy(): Promise<void> {
    this.#isLeaving = true;
    const phase = this.#phase;
    if (phase.name === "queued") phase.cancel();
    if (phase.name !== "connecting") {
      this.#phase = { name: "closed" };
      return;
    }
    await this.#connection.destroy();
  }

  /** Each message comes twice at most: the gateway's, and its answer. */
  #limits({ maxMessageBytes, maxMessagesPerSecond }: MessageLimits): MessageLimits {
    return {
      maxMessageBytes: MAX_CHECKPOINT_BYTES + maxMessageBytes,
      maxMessagesPerSecond: 2 * maxMessagesPerSecond,
    };
  }

  #onAccepted(sessionPresent: boolean): void {
    const { connector, car, listener } = this.#options;
    if (this.#phase.name === "connecting") this.#phase.attempt.accepted();
    connector.connected(car);
    listener.onAccepted(sessionPresent);
    const { state, own } = this.#names;
    this.#connection.subscribe({ [state]: 0, [own]: 0 }, () => {
      this.#hasAskedState = true;
      const barrier = unacknowledgedPublish(this.#fields.barrier, this.#barrier);
      this.#connection.link?.outgoing.flush(barrier);
    });
  }

  readonly #take = (
    payload: Uint8Array,
    packetId: number,
    first: number,
    topicBytes: number,
  ): void => {
    const { listener, stats } = this.#options;
    const kind = this.#kindOf(topicOf(payload, first, topicBytes));
    switch (kind) {
      case "gateway":
        stats.messagesIn++;
        return listener.onMessage(kind, payload, packetId, isDuplicate(first));
      case "self":
        return listener.onMessage(kind, payload, packetId, isDuplicate(first));
      case "state":
        // It is heard for a while longer, and then has what this instance has written.
        if (!this.#isSubscribed) this.#state = payload.slice();
        return;
      case "barrier":
        return this.#onBarrier(payload, packetId);
      case "unknown":
        if (packetId > 0) this.#acknowledge([packetId]);
    }
  };

  #kindOf(topic: Uint8Array): Kind {
    const { gateway, self, barrier, state } = this.#fields;
    if (isTopic(topic, gateway)) return "gateway";
    if (isTopic(topic, self)) return "self";
    if (isTopic(topic, barrier)) return "barrier";
    return isTopic(topic, state) ? "state" : "unknown";
  }

  /** That of an owner before may come as well. */
  #onBarrier(payload: Uint8Array, packetId: number): void {
    if (packetId > 0) {
      if (this.#isSubscribed) this.#acknowledge([packetId]);
      else this.#oldBarriers.push(packetId);
    }
    if (!isSame(payload, this.#barrier)) return;
    if (packetId === 0) return this.#onState();
    this.#connection.proved();
    this.#options.listener.onBarrier();
  }

  /** The retained message has come before, if there is one. */
  #onState(): void {
    if (!this.#hasAskedState || this.#isSubscribed) return;
    const { listener } = this.#options;
    const { moduleGateway, externalServer, own, state } = this.#names;
    listener.onCheckpoint(this.#state);
    this.#state = null;
    const topics = { [moduleGateway]: 1, [externalServer]: 1, [own]: 1 } as const;
    this.#connection.subscribe(topics, () => {
      this.#isSubscribed = true;
      this.#acknowledge(this.#oldBarriers);
      this.#oldBarriers = [];
      this.#connection.link?.outgoing.publish(this.#fields.barrier, this.#barrier);
      this.#connection.unsubscribe(state);
    });
  }

  #acknowledge(packetIds: readonly number[]): void {
    for (const id of packetIds) this.#connection.link?.outgoing.acknowledge(id);
  }

  #onClosed(failure: BrokerFailure): void {
    const phase = this.#phase;
    this.#phase = { name: "closed" };
    const { connector, car, listener } = this.#options;
    if (this.#isLeaving) {
      if (phase.name === "connecting") phase.attempt.left();
      connector.left(car);
    } else if (phase.name === "connecting" && !this.#connection.accepted) {
      phase.attempt.refused();
      connector.failed(car, failure);
    } else connector.lost();
    listener.onClosed(failure);
  }
}

/** Whether a topic is that of a field, which begins with two bytes of length. */
function isTopic(topic: Uint8Array, field: Uint8Array): boolean {
  if (topic.length !== field.length - 2) return false;
  // The last bytes differ first: cars of one company share the beginning.
  for (let i = topic.length - 1; i >= 0; i--) if (topic[i] !== field[i + 2]) return false;
  return true;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}
