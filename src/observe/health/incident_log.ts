// Incidents in the log: one line when they begin, one when they are over.
import { andSuppressed, type Log, Once } from "../../log/mod.ts";
import { quote } from "../../text/mod.ts";
import type { Clock } from "../../time/mod.ts";
import type { Incident, IncidentChange, IncidentListener } from "./incident.ts";

/** Lines of one code per minute; further ones are only counted. */
const MAX_LINES = 30;

/** Writes incidents to the log, to that of the car where there is only one. */
export class IncidentLog implements IncidentListener {
  readonly #log: Log;
  readonly #once: Once;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#once = new Once({ clock, times: MAX_LINES });
  }

  /** See {@linkcode IncidentListener}. */
  onIncident({ kind, incident }: IncidentChange): void {
    if (kind === "changed") return;
    const suppressed = this.#once.ask(`${kind} ${incident.code}`);
    if (suppressed === undefined) return;
    const [only] = incident.cars;
    const isOne = incident.carCount === 1 && only !== undefined;
    const log = isOne ? this.#log.forCar(only) : this.#log;
    const line = () => textOf(kind, incident, isOne) + andSuppressed(suppressed);
    if (kind === "began") log.warning(line);
    else log.info(line);
  }
}

function textOf(kind: IncidentChange["kind"], incident: Incident, isOne: boolean): string {
  const { id, severity, text, carCount, beganAt, endedAt, switchedOff, acknowledged } = incident;
  const extent = isOne ? "" : `, ${carCount} cars`;
  if (kind === "began") return `Incident ${id}: ${severity}: ${text}${extent}`;
  if (kind === "ended") {
    const seconds = ((endedAt ?? beganAt) - beganAt) / 1000;
    const why = switchedOff ? ", as the gateway counts as switched off" : "";
    return `Incident ${id} is over after ${seconds.toFixed(1)} s${why}: ${text}${extent}`;
  }
  const { name = "", note = "" } = acknowledged ?? {};
  return `Incident ${id} acknowledged by ${quote(name)}${note === "" ? "" : `: ${quote(note)}`}`;
}
