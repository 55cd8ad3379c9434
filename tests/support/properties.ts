// fast-check with a seed that stays the same, so that a run of the tests says the same about the same
// code. PROPERTY_SEED sets another one; "random" a new one for each run.
import fc from "fast-check";

const wanted = Deno.env.get("PROPERTY_SEED") ?? "20260101";
if (wanted !== "random") {
  const seed = Number(wanted);
  if (!Number.isSafeInteger(seed)) {
    throw new Error(`Set PROPERTY_SEED to an integer or "random": ${wanted}`);
  }
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
}

export default fc;
