// The examples of a cluster: manifests that Kubernetes would take, and configurations that load.
import assert from "node:assert/strict";
import { StatefulSet } from "kubernetes-models/apps/v1";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1";
import { ConfigMap, Service } from "kubernetes-models/v1";
import { parse, parseAllDocuments } from "yaml";
import type { ConfigPlace } from "../../src/config/files.ts";
import { parseConfig } from "../../src/config/mod.ts";

const FOLDER = new URL("../../examples/cluster/", import.meta.url);

/** Every file exists in a container. */
const place: ConfigPlace = {
  workingDirectory: "/",
  folder: "/",
  files: {
    kind: () => "file",
    readText: () => "0123456789abcdef",
    script: () => undefined,
  },
};

function read(name: string): string {
  return Deno.readTextFileSync(new URL(name, FOLDER));
}

const MODELS = { Service, ConfigMap, PodDisruptionBudget, StatefulSet };

function validate(document: { readonly kind: keyof typeof MODELS }): void {
  const Model = MODELS[document.kind];
  assert.ok(Model, document.kind);
  new Model(document as never).validate();
}

// deno-lint-ignore no-explicit-any -- a test looks into what it expects
function manifests(): any[] {
  return parseAllDocuments(read("kubernetes.yaml")).map((document) => document.toJS());
}

Deno.test("Kubernetes would take the manifests of examples/cluster", () => {
  const all = manifests();
  assert.deepEqual(all.map(({ kind }) => kind), Object.keys(MODELS));
  for (const manifest of all) validate(manifest);
  const wrong = all.at(-1);
  wrong.spec.replicas = "three";
  assert.throws(() => validate(wrong), /replicas/);
});

Deno.test("the servers of the manifests are probed, drain before they stop, and have an id each", () => {
  const [, { data }, , { spec }] = manifests();
  const [container] = spec.template.spec.containers;
  assert.equal(container.readinessProbe.httpGet.path, "/readyz");
  const [, command] = container.lifecycle.preStop.exec.command;
  assert.equal(command, "drain");
  assert.equal(spec.serviceName, manifests()[0].metadata.name);
  const instance = `${spec.serviceName}-0`;
  const { config } = parseConfig(JSON.parse(data["config.json"]), place, { instance });
  assert.equal(config.cluster?.instance, instance);
  assert.ok(spec.template.spec.terminationGracePeriodSeconds > 30 + 10);
});

Deno.test("the servers of the compose file share one configuration and differ in their ids", () => {
  const { services, secrets } = parse(read("docker-compose.yml"), { merge: true });
  const servers = ["server-0", "server-1"];
  for (const name of servers) {
    const { command, volumes } = services[name];
    const instance = command.at(-1);
    assert.equal(instance, name);
    assert.deepEqual(volumes, ["./config.json:/config/container.json:ro"]);
    const { config } = parseConfig(JSON.parse(read("config.json")), place, { instance });
    const { endpoints } = config.cluster?.etcd ?? { endpoints: [] };
    assert.deepEqual(endpoints.map((url) => new URL(url).hostname), ["etcd-0", "etcd-1", "etcd-2"]);
    for (const url of endpoints) assert.ok(services[new URL(url).hostname]);
    assert.equal(config.broker.host, "mosquitto");
  }
  for (const { file } of Object.values<{ file: string }>(secrets)) {
    assert.ok(read(file).length > 16);
  }
});

Deno.test("the systemd unit starts the instance that its name says", () => {
  const unit = read("external-server@.service");
  assert.match(unit, /^ExecStart=\S+ \/etc\/external-server\/config\.json --instance %i$/m);
  assert.match(unit, /^KillMode=mixed$/m);
});
