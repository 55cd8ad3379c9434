// What is posted.
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
