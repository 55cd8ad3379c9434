// The table people read.
import type { Figure } from "./figure.ts";

const HEAD = ["row", "figure", "server", "reference", "ratio", "reach", "", "others"];

/** All figures as text; numbers to the right. */
export function formatTable(figures: readonly Figure[]): string {
  const rows = [HEAD, ...figures.map(cells)];
  const widths = HEAD.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => {
      const width = widths[i] ?? 0;
      return i >= 2 && i <= 4 ? cell.padStart(width) : cell.padEnd(width);
    }).join("  ").trimEnd();
  return rows.map(line).join("\n");
}

function cells(figure: Figure): string[] {
  const { row, what, unit, server, reference, ratio, reach, ok, foreignShare } = figure;
  return [
    row,
    what,
    `${formatNumber(server)} ${unit}`,
    reference === null ? "" : `${formatNumber(reference)} ${unit}`,
    ratio === null ? "" : ratio.toFixed(2),
    reach,
    ok ? "ok" : "missed",
    foreignShare === undefined ? "" : `${Math.round(foreignShare * 100)} %`,
  ];
}

function formatNumber(value: number): string {
  if (value >= 100) return Math.round(value).toString();
  return value >= 10 ? value.toFixed(1) : value.toFixed(value >= 1 ? 2 : 3);
}
