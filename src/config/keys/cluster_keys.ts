// The keys of the section cluster: several servers that share one fleet.
import * as z from "zod";
import * as field from "./fields.ts";
import { key } from "./key.ts";

/** Several servers for one fleet. */
export const CLUSTER = {
  etcd: key(
    z.array(field.httpUrl(), { error: "a list of URLs" }),
    {
      doc: "The nodes of etcd, such as http://10.0.0.1:2379; any of them may be away",
      takes: "restart",
      at: "cluster.etcd.endpoints",
      compared: ({ cluster }) => cluster?.etcd.endpoints.join(", "),
    },
  ),
  etcd_prefix: key(field.keyPrefix().default("external-server"), {
    doc: "What the keys in etcd begin with; the company follows",
    takes: "restart",
    at: "cluster.etcd.prefix",
  }),
  etcd_ca_file: key(field.filledText("the path of a file").optional(), {
    doc: "Further CA certificates to trust for etcd, PEM",
    takes: "restart",
    at: "cluster.etcd.tls.caFile",
  }),
  etcd_cert_file: key(field.filledText("the path of a file").optional(), {
    doc: "Client certificate for etcd, PEM; requires etcd_key_file",
    takes: "restart",
    at: "cluster.etcd.tls.certFile",
  }),
  etcd_key_file: key(field.filledText("the path of a file").optional(), {
    doc: "Private key of the client certificate, PEM",
    takes: "restart",
    at: "cluster.etcd.tls.keyFile",
  }),
  etcd_username: key(field.filledText("a string").optional(), {
    doc: "User name for etcd; requires etcd_password_file",
    takes: "restart",
    at: "cluster.etcd.login.name",
  }),
  etcd_password: key(field.filledText("a string").optional(), {
    doc: "Password for etcd",
    takes: "restart",
    secret: true,
    at: "cluster.etcd.login.password",
  }),
  etcd_password_file: key(field.filledText("the path of a file").optional(), {
    doc: "File with the password, instead of etcd_password; a newline at its end is dropped",
    takes: "restart",
  }),
  instance: key(field.instanceId().optional(), {
    doc: "This server among the others; --instance replaces it",
    takes: "restart",
    at: "cluster.instance",
  }),
  capacity: key(field.capacity().default(1), {
    doc: "Its share of the cars in relation to the others'; 0: none while others live",
    takes: "restart",
    at: "cluster.capacity",
  }),
  labels: key(
    z.record(z.string(), field.text("a string")).default({}),
    {
      doc: "What operators see of it, such as a zone, by name",
      takes: "restart",
      at: "cluster.labels",
      compared: ({ cluster }) => cluster && JSON.stringify(cluster.labels),
    },
  ),
  lease_s: key(field.leaseSeconds().default(3), {
    doc: "A server that is silent for so long has left, and others take its cars",
    takes: "restart",
    unit: "s",
    at: "cluster.leaseS",
  }),
  advertise: key(field.instanceUrl().optional(), {
    doc:
      "Where the others reach its API, such as http://{instance}.fleet:8080; {instance} is its id; requires http",
    takes: "restart",
    at: "cluster.advertise",
  }),
  key: key(field.text("a string").optional(), {
    doc: "The key that the servers ask each other with, the same for all",
    takes: "restart",
    secret: true,
    at: "cluster.key",
  }),
  key_file: key(field.filledText("the path of a file").optional(), {
    doc: "File with the key, instead of key; a newline at its end is dropped",
    takes: "restart",
  }),
};
