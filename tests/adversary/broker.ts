// Brokers that take a car in and then let it down, each a script for a RawBroker.
import { packetType, PUBLISH, publishPacket, type RawPeer, SUBSCRIBE } from "../mqtt/raw_broker.ts";

/** What one of them does with a connection. */
export type BrokerScript = (peer: RawPeer) => Promise<void>;

async function takeIn(peer: RawPeer): Promise<void> {
  await peer.acceptConnect();
  await peer.acceptSubscribe();
}

/** Closes at the first PUBLISH, as brokers do that disconnect on a forbidden one. */
export const closesAtPublish: BrokerScript = async (peer) => {
  await peer.acceptConnect();
  while (true) {
    const packet = await peer.packet();
    if (packetType(packet) === PUBLISH) return;
    if (packetType(packet) === SUBSCRIBE) await peer.grant(packet);
  }
};

/** Delivers a message of a gateway, and closes at the first answer. */
export function closesAtAnswer(message: Uint8Array): BrokerScript {
  return async (peer) => {
    await takeIn(peer);
    await peer.send(publishPacket(message));
    while (packetType(await peer.packet()) !== PUBLISH);
  };
}

/** Closes as soon as the subscription is granted. */
export const closesAfterSuback: BrokerScript = takeIn;

/** Grants the subscription, then sends bytes: a packet that is malformed or was not asked for. */
export function sendsAfterSuback(bytes: Uint8Array): BrokerScript {
  return async (peer) => {
    await takeIn(peer);
    await peer.send(bytes);
    await peer.drain();
  };
}

/** Grants the subscription and then stays silent, even to a ping. */
export const fallsSilent: BrokerScript = async (peer) => {
  await takeIn(peer);
  await peer.drain();
};

/** Takes the connection and stays silent. */
export const neverAnswers: BrokerScript = (peer) => peer.drain();
