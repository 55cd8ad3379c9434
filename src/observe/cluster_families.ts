// Metrics of a cluster's instance.
import type { TakeoverCounts } from "../cluster/mod.ts";
import type { Family, Sample, Scrape } from "./metric_family.ts";

/** An instance of a cluster, for metrics. */
export interface WatchedCluster {
  readonly joined: boolean;
  readonly members: readonly unknown[];
  readonly owned: number;
  readonly takeovers: TakeoverCounts;
}

/** Nothing without a cluster. */
function ofCluster(
  name: string,
  type: Family["type"],
  help: string,
  samples: (cluster: WatchedCluster) => readonly Sample[],
): Family {
  return {
    name,
    type,
    help,
    samples: ({ cluster }: Scrape) => cluster === undefined ? [] : samples(cluster),
  };
}

const one = (value: number): readonly Sample[] => [{ labels: {}, value }];
const by = (label: string, values: Readonly<Record<string, Sample["value"]>>) =>
  Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }));

export const CLUSTER_FAMILIES: readonly Family[] = [
  ofCluster(
    "cluster_store_up",
    "gauge",
    "Whether the instance has its lease and etcd answers: 1 or 0",
    ({ joined }) => one(joined ? 1 : 0),
  ),
  ofCluster(
    "cluster_members",
    "gauge",
    "Live instances of the cluster, as this one knows",
    ({ members }) => one(members.length),
  ),
  ofCluster(
    "cluster_cars_owned",
    "gauge",
    "Cars that this instance serves or is taking",
    ({ owned }) => one(owned),
  ),
  ofCluster(
    "cluster_takeovers_total",
    "counter",
    "Sessions of other instances that went on here without a new connect sequence, by kind",
    ({ takeovers }) => by("kind", takeovers.exact),
  ),
  ofCluster(
    "cluster_takeover_seconds",
    "histogram",
    "From the store's word that a car is this instance's until it is served, by kind",
    ({ takeovers }) => by("kind", takeovers.took),
  ),
  ofCluster(
    "cluster_exactness_failures_total",
    "counter",
    "Gateways that had to connect again when their cars changed hands, by reason",
    ({ takeovers }) => by("reason", takeovers.inexact),
  ),
  ofCluster(
    "cluster_cars_lost_total",
    "counter",
    "Cars that turned out to be another instance's",
    ({ takeovers }) => one(takeovers.lost),
  ),
  ofCluster(
    "cluster_unfinished_releases_total",
    "counter",
    "Sessions that were handed over before everything in them had ended",
    ({ takeovers }) => one(takeovers.unfinished),
  ),
];
