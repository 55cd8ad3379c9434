// What is posted, and how it is signed: as in Standard Webhooks (standardwebhooks.com), for which
// receivers have libraries.
import { Buffer } from "node:buffer";
import type { Incident } from "../observe/mod.ts";

/** Cars that a message names; the number says how many there are. */
const MAX_CARS = 100;

/** What happened to an incident. */
export type MessageType = "incident.began" | "incident.ended";

/** The body of a request. */
export function messageBody(type: MessageType, company: string, incident: Incident): string {
  const { id, code, severity, text, advice, beganAt, endedAt } = incident;
  const { culprit, cars, carCount, times, switchedOff } = incident;
  return JSON.stringify({
    type,
    timestamp: new Date(endedAt ?? beganAt).toISOString(),
    data: {
      company,
      id,
      code,
      severity,
      text,
      advice,
      beganAt: new Date(beganAt).toISOString(),
      endedAt: endedAt === null ? null : new Date(endedAt).toISOString(),
      seconds: endedAt === null ? null : (endedAt - beganAt) / 1000,
      switchedOff,
      culprit,
      cars: cars.slice(0, MAX_CARS),
      carCount,
      times,
    },
  });
}

/** What is signed. */
export interface Signed {
  /** The same in each attempt, so that a receiver knows what it has got twice. */
  readonly id: string;
  /** Of this attempt, in seconds since the epoch: a receiver refuses old ones. */
  readonly timestamp: number;
  readonly body: string;
}

/**
 * The headers of a request.
 *
 * @param secret text, or base64 after `whsec_`
 */
export async function signedHeaders({ id, timestamp, body }: Signed, secret: string) {
  const [, base64] = /^whsec_([A-Za-z0-9+/]+=*)$/.exec(secret) ?? [];
  const bytes = Buffer.from(base64 ?? secret, base64 === undefined ? "utf8" : "base64");
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes, hmac, false, ["sign"]);
  const text = Buffer.from(`${id}.${timestamp}.${body}`);
  const signature = Buffer.from(await crypto.subtle.sign("HMAC", key, text)).toString("base64");
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": `v1,${signature}`,
  };
}
