// Several servers for one fleet: the section cluster.
import assert from "node:assert/strict";
import { effectiveDocument } from "../../src/config/plan/effective.ts";
import { documented, failure, lines, load } from "./support.ts";

const HTTP = { address: "127.0.0.1", port: 8080 };
const ETCD = ["http://127.0.0.1:2379", "http://127.0.0.1:2380/"];

Deno.test("cluster is resolved with its defaults, and written as it is read", () => {
  const least = load(documented({ cluster: { etcd: ETCD, instance: "a" } })).config;
  assert.deepEqual(least.cluster, {
    etcd: {
      endpoints: ["http://127.0.0.1:2379", "http://127.0.0.1:2380"],
      prefix: "external-server",
    },
    instance: "a",
    capacity: 1,
    labels: {},
    leaseS: 3,
  });
  const cluster = {
    etcd: ["https://etcd.example:2379"],
    etcd_prefix: "fleets/north",
    etcd_ca_file: "ca.pem",
    etcd_cert_file: "cert.pem",
    etcd_key_file: "key.pem",
    etcd_username: "fleet",
    etcd_password_file: "password",
    instance: "a",
    capacity: 2.5,
    labels: { zone: "north" },
    lease_s: 5,
    advertise: "https://{instance}.fleet:8080",
    key_file: "api_key",
  };
  const { config, warnings } = load(documented({ http: HTTP, cluster }));
  assert.deepEqual(lines(warnings), []);
  assert.deepEqual(config.cluster, {
    etcd: {
      endpoints: ["https://etcd.example:2379"],
      prefix: "fleets/north",
      tls: { caFile: "/srv/ca.pem", certFile: "/srv/cert.pem", keyFile: "/srv/key.pem" },
      login: { name: "fleet", password: "from file" },
    },
    instance: "a",
    capacity: 2.5,
    labels: { zone: "north" },
    leaseS: 5,
    advertise: "https://{instance}.fleet:8080",
    key: "0123456789abcdef",
  });
  for (const one of [least, config]) {
    assert.deepEqual(load(effectiveDocument(one, { showSecrets: true })).config, one);
  }
  assert.doesNotMatch(JSON.stringify(effectiveDocument(config)), /from file|0123456789abcdef/);
  assert.equal(load(documented()).config.cluster, undefined);
});

Deno.test("--instance names a server of a cluster", () => {
  const document = documented({ cluster: { etcd: ETCD, instance: "a" } });
  assert.equal(load(document, { instance: "server-0" }).config.cluster?.instance, "server-0");
  assert.equal(load(documented(), { instance: "server-0" }).config.cluster, undefined);
});

Deno.test("cluster is refused with the key and the reason", () => {
  const given = { etcd: ETCD, instance: "a" };
  const cases: [cluster: object, expected: RegExp[], overrides?: object][] = [
    [{}, [
      /^cluster\.etcd: Expected a list of URLs: found nothing/,
      /^cluster\.instance: .*nothing/,
    ]],
    [{ ...given, etcd: [] }, [/^cluster\.etcd: Expected at least one URL: found an empty list/]],
    [{ ...given, etcd: ["ftp://x"] }, [/^cluster\.etcd\.0: Expected a URL/]],
    [{ ...given, instance: "a b" }, [/^cluster\.instance: Expected an id of 1 to 64/]],
    [{ ...given, lease_s: 1 }, [/^cluster\.lease_s: .* from 2 to 60: found the number 1$/]],
    [{ ...given, capacity: -1 }, [/^cluster\.capacity: Expected a number from 0/]],
    [{ ...given, etcd_cert_file: "cert.pem" }, [/^cluster\.etcd_key_file: .*found nothing/]],
    [{ ...given, etcd_username: "x" }, [/^cluster\.etcd_password: .*found nothing/]],
    [{ ...given, etcd_password: "secret" }, [/^cluster\.etcd_username: .*found nothing/]],
    [{ ...given, etcd_prefix: "a/" }, [/^cluster\.etcd_prefix: Expected 1 to 200/]],
    [{ ...given, advertise: "http://127.0.0.1" }, [
      /^http: Expected the API that cluster\.advertise names: found nothing$/,
      /^cluster\.key_file: Expected the key of the cluster: found nothing$/,
    ]],
    [given, [/^--instance: Expected an id of 1 to 64 .*/], { instance: "a b" }],
    [given, [/^cluster: Expected a broker that all servers .*--broker/], { embeddedBroker: {} }],
  ];
  for (const [cluster, expected, overrides] of cases) {
    const problems = lines(failure(documented({ cluster }), overrides).problems);
    assert.equal(problems.length, expected.length, problems.join("\n"));
    for (const [index, pattern] of expected.entries()) {
      assert.match(problems[index] ?? "", pattern);
    }
  }
});
