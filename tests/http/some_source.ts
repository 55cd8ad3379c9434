// What a server says of a configuration that is pulled.
import type { ConfigSourceView } from "../../src/http/api/config_source.ts";

const [ONE, TWO] = ["1".repeat(64), "2".repeat(64)] as const;

/** The last good one returned, with what a test wants different. */
export function someSource(more: Partial<ConfigSourceView> = {}): ConfigSourceView {
  const why = "after 120 s, 5 of 10 cars were RUNNING, before 10";
  return {
    url: "https://config.example",
    mode: "prefer",
    live: { origin: "cache", hash: ONE, version: 7, since: 5000, ageSeconds: 61, why },
    trial: null,
    good: { hash: ONE, version: 7 },
    previous: null,
    refused: [{ hash: TWO, version: 8, at: 4000, why }],
    pin: null,
    lastPull: { at: 9000, failure: "https://config.example: it answered with 500" },
    failures: 2,
    ...more,
  };
}
