// A configuration that is pulled, in the API of a server and of a gateway.
import * as z from "zod";
import type { RemoteConfig, SourceView } from "../../config_source/mod.ts";
import { RpcError } from "../errors.ts";
import { RPC_ERRORS } from "./json_rpc.ts";
import { defineFor, type Method } from "./method.ts";
import { time } from "./schemas.ts";

/** What is in use, and how operators hold it. */
export type OperatedSource = Pick<RemoteConfig<never>, "view" | "pin">;

/** What these methods read from. */
export interface ConfigSourceSource {
  /** Absent: the configuration is the local file. */
  readonly configSource?: OperatedSource | undefined;
}

const version = () => z.int().nullable().describe("null: it has no envelope");
const hash = () => z.string().describe("SHA-256 of the document");
const name = () => z.object({ hash: hash(), version: version() });

export const ConfigSourceView = z.object({
  url: z.string().describe("where it is pulled from, without path and query"),
  mode: z.enum(["prefer", "only"]),
  live: name().extend({
    origin: z.enum(["remote", "cache", "previous", "local"]).describe(
      "the source, the last good one or the one before from the cache, or the local file",
    ),
    since: time(),
    ageSeconds: z.int().min(0).describe("since it was pulled, or the local file was read"),
    why: z.string().describe("why it is in use"),
  }).nullable().describe("what is in use"),
  trial: name().extend({
    phase: z.enum(["canary", "all"]).describe("canary: only cars with its labels have it"),
    endsAt: time().nullable().describe("null while it is being applied"),
    running: z.int().min(0).describe("cars that are RUNNING"),
    runningBefore: z.int().min(0),
  }).nullable().describe("what is on probation"),
  good: name().nullable().describe("the last good one, in the cache"),
  previous: name().nullable().describe("the one before, in the cache"),
  refused: z.array(name().extend({ at: time(), why: z.string() })).readonly()
    .describe("what is not tried again until the source has another one, the newest last"),
  pin: z.object({ hash: hash(), by: z.string(), at: time() }).nullable()
    .describe("who holds a document, so that nothing new is taken"),
  lastPull: z.object({ at: time(), failure: z.string().nullable() }).nullable(),
  failures: z.int().min(0).describe("pulls that have failed, one after the other"),
}).meta({ id: "ConfigSourceView", description: "Which configuration is in use, and why" });
export type ConfigSourceView = z.input<typeof ConfigSourceView>;

/** The methods, for the list of a server or a gateway. */
export function configSourceMethods<Source extends ConfigSourceSource>(): readonly Method<
  Source
>[] {
  const define = defineFor<Source>();
  return [
    define({
      name: "config.source",
      summary: "Which configuration is in use, from where and why",
      scope: "read",
      rest: { verb: "GET", path: "/api/v1/config/source" },
      result: ConfigSourceView.nullable().describe("null: the configuration is the local file"),
      run: (_, { configSource }): SourceView | null => configSource?.view() ?? null,
    }),
    define({
      name: "config.pin",
      summary: "Hold a configuration, so that nothing that is pulled takes its place",
      scope: "admin",
      rest: { verb: "POST", path: "/api/v1/config/pin" },
      params: z.strictObject({
        to: z.enum(["live", "good", "previous", "local"]).nullable().describe(
          "what to hold; null: follow the source again, and try what was refused once more",
        ),
      }),
      result: ConfigSourceView,
      run: async ({ to }, { configSource }, { name }): Promise<SourceView> => {
        if (configSource === undefined) {
          throw new RpcError(RPC_ERRORS.UNAVAILABLE, "The configuration is not pulled");
        }
        if (await configSource.pin(to, name)) return configSource.view();
        throw new RpcError(RPC_ERRORS.UNAVAILABLE, `There is no such configuration: ${to}`);
      },
    }),
  ];
}
