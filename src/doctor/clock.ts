// Checks whether this machine's clock can be right: TLS and logs depend on it.
import { wallTime } from "../time/mod.ts";
import { Findings } from "./findings.ts";
import { outputOf } from "./system.ts";

/** A clock before this year has not been set. */
const FIRST_YEAR = 2024;

/** Checks the clock as far as is possible without asking others. */
export async function checkClock(): Promise<Findings> {
  const said = await outputOf("timedatectl", ["show", "--property=NTPSynchronized", "--value"]);
  const synchronized = said?.trim();
  return judgeClock(
    new Date(wallTime()),
    synchronized === "yes" ? true : synchronized === "no" ? false : undefined,
  );
}

/** @param synchronized undefined: not known */
export function judgeClock(now: Date, synchronized: boolean | undefined): Findings {
  const findings = new Findings("clock");
  const date = now.toISOString();
  if (now.getUTCFullYear() < FIRST_YEAR) {
    findings.warning(
      "date",
      `The clock has not been set: ${date}`,
      "Set it, and synchronize it (systemd-timesyncd, chrony): certificates are not valid yet",
    );
  } else findings.ok("date", `The clock says ${date}`);
  if (synchronized === undefined) {
    findings.skipped("synchronization", "Not known: timedatectl does not say");
  } else if (synchronized) findings.ok("synchronization", "The clock is synchronized");
  else {
    findings.warning(
      "synchronization",
      "The clock is not synchronized, or not yet",
      "Turn time synchronization on (timedatectl set-ntp true), unless the virtual machine's host does it",
    );
  }
  return findings;
}
