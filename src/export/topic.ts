// Where an event is published: a topic of MQTT or a subject of NATS, made from a template.
import { TOPIC_NAMES, type TopicName } from "../config/mod.ts";
import type { LogEvent } from "../record/mod.ts";
import { fillTemplate, parseTemplate } from "../text/mod.ts";

/** What separates levels, or matches several, is not to come from a name; `%` makes it reversible. */
// deno-lint-ignore no-control-regex -- these are what no topic may have
export const MQTT_SPECIAL = /[\u0000-\u001f\u007f-\u009f/+#$%]/g;
/** As {@linkcode MQTT_SPECIAL}, for subjects. */
// deno-lint-ignore no-control-regex -- these are what no subject may have
export const NATS_SPECIAL = /[\u0000-\u0020\u007f-\u00a0.*>$%]/g;

/** What stands for a device's name that an event has not. */
const NONE = "-";
/** More of a name does not become part of a topic, in characters: NATS takes 4 KB in all. */
const MAX_NAME = 255;

/** What a sink is tried with: of no car. */
export const NO_EVENT: LogEvent = {
  id: "",
  at: 0,
  car: "",
  session: null,
  device: null,
  counter: null,
  kind: "session.started",
  payload: null,
  data: {},
};

/** Returns the function that names an event's topic. @param template that the configuration took */
export function topicsOf(
  template: string,
  company: string,
  special: RegExp,
): (event: LogEvent) => string {
  const parsed = parseTemplate(template, TOPIC_NAMES);
  if (!parsed.ok) throw new TypeError(parsed.message);
  const escaped = (text: string) => {
    return text.slice(0, MAX_NAME).replace(special, escape).toWellFormed() || NONE;
  };
  return (event) => fillTemplate(parsed.template, (name) => escaped(valueOf(event, company, name)));
}

function escape(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

function valueOf({ car, kind, device }: LogEvent, company: string, name: TopicName): string {
  switch (name) {
    case "company":
      return company;
    case "car":
      return car ?? NONE;
    case "kind":
      return kind;
    case "module":
      return device === null ? NONE : String(device.module);
    case "type":
      return device === null ? NONE : String(device.deviceType);
    case "role":
      return device?.deviceRole ?? NONE;
    case "name":
      return device?.deviceName ?? NONE;
  }
}
