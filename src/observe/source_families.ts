// The metrics of a configuration that is pulled, of a server and of a gateway.
import type { SourceView } from "../config_source/mod.ts";
import type { Family } from "./metric_family.ts";

interface SourceScrape {
  /** Absent: the configuration is the local file. */
  readonly configSource?: SourceView | undefined;
}

function one(
  name: string,
  help: string,
  value: (view: SourceView) => number,
): Family<SourceScrape> {
  return {
    name,
    type: "gauge",
    help,
    samples: ({ configSource }) =>
      configSource === undefined ? [] : [{ labels: {}, value: value(configSource) }],
  };
}

export const SOURCE_FAMILIES: readonly Family<SourceScrape>[] = [
  {
    name: "config_live",
    type: "gauge",
    help: "The configuration in use: 1, with where it comes from, its version and its hash",
    samples: ({ configSource }) => {
      const live = configSource?.live;
      if (live === undefined || live === null) return [];
      const { origin, version, hash } = live;
      return [{ labels: { origin, version: version ?? "", hash }, value: 1 }];
    },
  },
  one(
    "config_age_seconds",
    "Time since the configuration in use was pulled, or the local file was read",
    ({ live }) => live?.ageSeconds ?? 0,
  ),
  one(
    "config_on_probation",
    "Whether a configuration is on probation (1) or not (0)",
    ({ trial }) => trial === null ? 0 : 1,
  ),
  one(
    "config_refused",
    "Configurations of the source that are refused, and remembered",
    ({ refused }) => refused.length,
  ),
  one(
    "config_pull_failures",
    "Pulls of the configuration that have failed since the last one that did not",
    ({ failures }) => failures,
  ),
];
