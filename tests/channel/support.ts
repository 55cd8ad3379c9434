// Events as channels get them, and channels without anything special.
import type { ChannelSettings } from "../../src/channel/settings.ts";
import { EXAMPLE } from "../../src/channel/example.ts";
import type { EventView } from "../../src/channel/view.ts";

/** An accepted status; `data` is its payload. */
export function status(number: number, data: unknown, more: Partial<EventView> = {}): EventView {
  const payload = { text: JSON.stringify(data) };
  return { ...EXAMPLE, id: `acme/car_1/1/${number}`, payload, ...more };
}

export function linesOf(events: readonly EventView[]): string[] {
  return events.map((event) => JSON.stringify(event));
}

/** A channel that sends everything, but for what is given. */
export function channel(
  name: string,
  { when = "received", periodMs = 0, fields, ...more }:
    & Partial<ChannelSettings["report"]>
    & Partial<Omit<ChannelSettings, "name" | "report">> = {},
): ChannelSettings {
  return { name, report: { when, periodMs, ...(fields && { fields }) }, ...more };
}
