// Resolves the section cluster.
import { describeValue, quote } from "../../text/mod.ts";
import type { CommonInput } from "../dialects/dialect.ts";
import type { Faults } from "../errors.ts";
import { type ConfigPlace, findPem, givenSecret } from "../files.ts";
import { CLUSTER } from "../keys/cluster_keys.ts";
import { defaultOf } from "../keys/key.ts";
import type { Overrides } from "../overrides.ts";
import type { ClusterConfig } from "./config.ts";
import { checkedKey, resolveTls } from "./http.ts";
import { warnOfClearText } from "./outbound.ts";

type ClusterInput = NonNullable<CommonInput["cluster"]>;

/** Checks the section `cluster`; undefined when it is absent or invalid, which has been reported. */
export function resolveCluster(
  { cluster: input, http }: CommonInput,
  overrides: Overrides,
  place: ConfigPlace,
  faults: Faults,
): ClusterConfig | undefined {
  if (input === undefined) return undefined;
  if (overrides.embeddedBroker !== undefined) {
    const found = "--broker, which runs one for this server alone";
    faults.problem("cluster", `Expected a broker that all servers of the cluster share: ${found}`);
  }
  const instance = instanceOf(input, overrides, faults);
  const etcd = resolveEtcd(input, place, faults);
  const shared = resolveShared(input, http !== undefined, place, faults);
  if (instance === undefined || etcd === undefined) return undefined;
  const labels = [...input.labels ?? []].filter((entry): entry is [string, string] =>
    entry[1] !== undefined
  );
  return {
    etcd,
    instance,
    capacity: input.capacity ?? defaultOf(CLUSTER.capacity),
    labels: Object.fromEntries(labels),
    leaseS: input.lease_s ?? defaultOf(CLUSTER.lease_s),
    ...shared,
  };
}

function instanceOf(
  { instance }: ClusterInput,
  { instance: given }: Overrides,
  faults: Faults,
): string | undefined {
  const checked = given === undefined ? undefined : CLUSTER.instance.schema.safeParse(given);
  if (checked?.success === false) {
    const expected = checked.error.issues[0]?.message ?? "an id";
    faults.problem("--instance", `Expected ${expected}: found ${describeValue(given, "")}`);
    return undefined;
  }
  const id = given ?? instance;
  if (id === undefined && !faults.hasProblem("cluster.instance")) {
    faults.problem(
      "cluster.instance",
      "Expected an id of this server, here or as --instance: found nothing",
    );
  }
  return id;
}

function resolveEtcd(
  input: ClusterInput,
  place: ConfigPlace,
  faults: Faults,
): ClusterConfig["etcd"] | undefined {
  if (input.etcd?.length === 0) {
    faults.problem("cluster.etcd", "Expected at least one URL: found an empty list");
  }
  const endpoints = input.etcd?.filter((url) => url !== undefined);
  if (endpoints === undefined || endpoints.length === 0) return undefined;
  for (const [index, url] of endpoints.entries()) {
    warnOfClearText(`cluster.etcd.${index}`, "cars' owners are", url, faults);
  }
  const keys = { cert: "etcd_cert_file", key: "etcd_key_file" } as const;
  const pair = resolveTls(input, keys, "cluster", place, faults);
  const caFile = pemOf("etcd_ca_file", input.etcd_ca_file, place, faults);
  const { etcd_username: name, etcd_password: given, etcd_password_file: file } = input;
  const password = givenSecret("cluster.etcd_password", given, file, place, faults)?.text;
  if (name !== undefined && given === undefined && file === undefined) {
    faults.problem(
      "cluster.etcd_password",
      `Expected the password of ${quote(name)}: found nothing`,
    );
  }
  if (name === undefined && (given !== undefined || file !== undefined)) {
    faults.problem("cluster.etcd_username", "Expected the user of the password: found nothing");
  }
  const tls = { ...(caFile === undefined ? {} : { caFile }), ...pair };
  return {
    endpoints: endpoints.map((url) => url.replace(/\/+$/, "")),
    prefix: input.etcd_prefix ?? defaultOf(CLUSTER.etcd_prefix),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
    ...(name === undefined || password === undefined ? {} : { login: { name, password } }),
  };
}

function pemOf(
  key: string,
  name: string | undefined,
  place: ConfigPlace,
  faults: Faults,
): string | undefined {
  const found = name === undefined ? undefined : findPem(name, place);
  if (found?.ok === false) faults.problem(`cluster.${key}`, found.message);
  return found?.ok ? found.path : undefined;
}

/** How the others ask this server. */
function resolveShared(
  { advertise, key: given, key_file: file }: ClusterInput,
  hasHttp: boolean,
  place: ConfigPlace,
  faults: Faults,
): Pick<ClusterConfig, "advertise" | "key"> {
  const secret = givenSecret("cluster.key", given, file, place, faults);
  const hasKey = given !== undefined || file !== undefined;
  const key = secret?.text === undefined && file === undefined
    ? undefined
    : checkedKey(secret?.text ?? "", secret?.path ?? "cluster.key_file", faults);
  if (advertise === undefined) return key === undefined ? {} : { key };
  if (!hasHttp) {
    faults.problem("http", "Expected the API that cluster.advertise names: found nothing");
  }
  if (!hasKey) {
    faults.problem("cluster.key_file", "Expected the key of the cluster: found nothing");
  }
  warnOfClearText("cluster.advertise", "key of the cluster is", hostOf(advertise), faults);
  return { advertise, ...(key === undefined ? {} : { key }) };
}

function hostOf(advertise: string): string {
  return advertise.replaceAll("{instance}", "i");
}
