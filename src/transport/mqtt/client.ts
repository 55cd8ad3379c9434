// How this program uses mqtt.js: over links of its own, and without what costs work unasked.
import { randomUUID } from "node:crypto";
import type { Duplex } from "node:stream";
import { type IClientOptions, MqttClient, Store } from "mqtt";

/** Silence after which a ping is sent, in seconds [MQTT-SETTINGS]. */
export const KEEP_ALIVE_S = 15;

/** What users of mqtt.js decide; the rest is the same for all. */
export interface ClientOptions extends
  Pick<
    IClientOptions,
    | "clean"
    | "clientId"
    | "connectTimeout"
    | "keepalive"
    | "messageIdProvider"
    | "protocolVersion"
    | "reconnectPeriod"
    | "reschedulePings"
    | "will"
  > {
  /** With the user name and the password, if it has any. */
  readonly broker: { readonly username?: string; readonly password?: string };
}

/**
 * A client that connects when its `connect` is called, with a clean session; and never again unless
 * `reconnectPeriod` says so.
 *
 * @param openStream called for each connection; what fails there is heard by the stream's own listeners only
 */
export function createClient(openStream: () => Duplex, options: ClientOptions): MqttClient {
  const { broker: { username, password }, ...rest } = options;
  return new MqttClient(openStream, {
    protocolVersion: 4,
    clean: true,
    // The gateway uses <company>/<car>: with the same id, the two would disconnect each other.
    clientId: `es-${randomUUID().slice(0, 18)}`,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    manualConnect: true,
    keepalive: KEEP_ALIVE_S,
    reconnectPeriod: 0,
    resubscribe: false,
    timerVariant: "native",
    log: () => {},
    // One that stays usable: mqtt.js may take acknowledgements after it has closed its store.
    outgoingStore: new Store({ clean: false }),
    ...rest,
  });
}
