// Events as CSV (RFC 4180), for spreadsheets.
import type { ListedEventView } from "./schemas.ts";

const COLUMNS = ["time", "car", "level", "kind", "device", "text", "data", "session", "id"];

/** The first line. */
export function csvHeader(): string {
  return row(COLUMNS);
}

/** The line of an event. */
export function csvRow(event: ListedEventView): string {
  const { at, car, level, kind, device, text, payload, session, id } = event;
  const time = new Date(at).toISOString();
  return row([time, car, level, kind, device, text, payload?.text ?? null, session, id]);
}

function row(values: readonly (string | null)[]): string {
  return `${values.map((value) => cell(value ?? "")).join(",")}\r\n`;
}

/** Quoted; what a spreadsheet would take for a formula stays a text. */
function cell(value: string): string {
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return `"${text.replaceAll('"', '""')}"`;
}
