// The keys of where else the configuration comes from.
import * as field from "./fields.ts";
import { key, optionalSection } from "./key.ts";
import { SOURCE_MODES } from "../resolve/config.ts";

/** The section `config_source`; a Module Gateway's `config-source` has the same keys. */
export const CONFIG_SOURCE = {
  url: key(field.sourceUrl(), {
    doc: "Where the configuration is: an address with https://, http:// or file://",
    takes: "restart",
    at: "configSource.url",
  }),
  cache_dir: key(field.filledText("the path of a directory"), {
    doc:
      "Directory of the last good configuration and the one before, made when it is not there; each server needs its own",
    takes: "restart",
    at: "configSource.cacheDir",
  }),
  poll_s: key(field.seconds().default(60), {
    doc: "Seconds from one look at the source to the next, up to a fifth less",
    takes: "restart",
    unit: "s",
    of: ({ configSource }) => configSource && configSource.pollMs / 1000,
  }),
  api_key_file: key(field.filledText("the path of a file").optional(), {
    doc: "File with the key that is sent as Authorization: Bearer; read again each time",
    takes: "restart",
    at: "configSource.apiKeyFile",
  }),
  public_key: key(field.publicKey().optional(), {
    doc:
      "Ed25519 key, as config keygen prints it; with it, only what was signed with its private key is taken",
    takes: "restart",
    at: "configSource.publicKey",
  }),
  mode: key(field.word(SOURCE_MODES).default("prefer"), {
    doc:
      "prefer: this file is used while neither source nor cache has a usable one; only: it never is, and needs no other keys",
    takes: "restart",
    at: "configSource.mode",
  }),
  confirm_s: key(field.seconds().default(120), {
    doc:
      "Seconds of probation: then as many cars have to be RUNNING as before, or the last good one returns",
    takes: "restart",
    unit: "s",
    of: ({ configSource }) => configSource && configSource.confirmMs / 1000,
  }),
};

/** The section, or nothing. */
export const CONFIG_SOURCE_SECTION = optionalSection(
  "config_source",
  "Where else the configuration comes from: pulled, tried, and returned from; off when absent",
  CONFIG_SOURCE,
);
