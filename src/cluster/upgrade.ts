// Whether a version of the program may join the instances that run.
import { CHECKPOINT_FORMAT, READABLE_FORMATS } from "./checkpoint.ts";
import type { Member } from "./state.ts";

/** The formats of checkpoints that a version writes and reads. */
export interface Formats {
  readonly written: number;
  readonly readable: readonly number[];
}

/** Of this program. */
export const THIS_PROGRAM: Formats = { written: CHECKPOINT_FORMAT, readable: READABLE_FORMATS };

/** What came of it for one instance. */
export interface Verdict {
  readonly id: string;
  readonly version: string;
  /**
   * `exact`: cars change hands in both directions; `forward`: only to the new version, and gateways of
   * cars that go back connect again; `refused`: in neither direction.
   */
  readonly moves: "exact" | "forward" | "refused";
}

/** Compares a version with each instance; each reads the format that it writes. */
export function upgradeVerdicts(
  members: readonly Pick<Member, "id" | "version" | "checkpointFormat">[],
  { written, readable }: Formats = THIS_PROGRAM,
): readonly Verdict[] {
  return members.map(({ id, version, checkpointFormat }) => {
    const reads = readable.includes(checkpointFormat);
    const isRead = checkpointFormat >= written;
    return { id, version, moves: !reads ? "refused" : isRead ? "exact" : "forward" };
  });
}
