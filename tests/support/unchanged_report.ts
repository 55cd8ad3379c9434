// What a reload reports that has found nothing to do.
import type { ReloadReport } from "../../src/server/reload_report.ts";

/** Of a fleet of two cars. */
export const UNCHANGED: ReloadReport = {
  applied: true,
  added: [],
  removed: [],
  changed: [],
  untouched: 2,
  reconnecting: 0,
  settings: [],
  needsRestart: [],
  warnings: [],
  problems: [],
};
