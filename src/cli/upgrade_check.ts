// `upgrade-check`: whether this version may join the cluster of a running server.
import { THIS_PROGRAM, upgradeVerdicts, type Verdict } from "../cluster/mod.ts";
import { askMembers, RunningServerError } from "../http/mod.ts";
import { type Output, quote } from "../text/mod.ts";
import { keyIn } from "./drain.ts";
import { VERSION } from "../version.ts";

export interface UpgradeCheckOptions {
  /** Of any instance. */
  readonly url: string;
  /** A file with a key of the API. */
  readonly apiKeyFile?: string | undefined;
}

const TEXTS: Readonly<Record<Verdict["moves"], string>> = {
  exact: "cars change hands in both directions, and no gateway notices",
  forward: "cars come to the new version unnoticed; gateways of cars that go back connect again",
  refused: "this version cannot read its checkpoints: go through a version in between",
};

/** @returns the exit status: 0 when it may join, 1 when not, or when that is not to be known */
export async function runUpgradeCheck(
  { url, apiKeyFile }: UpgradeCheckOptions,
  output: Output,
): Promise<number> {
  let verdicts: readonly Verdict[];
  try {
    const apiKey = apiKeyFile === undefined ? undefined : await keyIn(apiKeyFile);
    verdicts = upgradeVerdicts((await askMembers(url, apiKey)).members);
  } catch (error) {
    if (!(error instanceof RunningServerError)) throw error;
    output.err(error.message, "failed");
    return 1;
  }
  for (const { id, version, moves } of verdicts) {
    output.out(`${quote(id)}, version ${version}: ${TEXTS[moves]}`);
  }
  const isRefused = verdicts.some(({ moves }) => moves === "refused");
  const format = `version ${VERSION}, format ${THIS_PROGRAM.written} of checkpoints`;
  if (isRefused) output.err(`Must not join: ${format}`, "failed");
  else output.out(`May join: ${format}`, "ok");
  return isRefused ? 1 : 0;
}
