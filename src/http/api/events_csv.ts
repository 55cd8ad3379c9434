// The event list as CSV (RFC 4180), for spreadsheets.
import type { ListedEvent } from "../../observe/mod.ts";

const COLUMNS = ["time", "car", "level", "device", "text"] as const;

/** Lines with a header, in the order of the events. */
export function eventsCsv(events: readonly ListedEvent[]): string {
  const rows = events.map((
    { at, car, level, device, text },
  ) => [new Date(at).toISOString(), car, level, device ?? "", text]);
  return [COLUMNS, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** Quoted; what a spreadsheet would take for a formula stays a text. */
function cell(value: string): string {
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return `"${text.replaceAll('"', '""')}"`;
}
