// The OpenRPC document: what JSON-RPC offers, for programs.
import * as z from "zod";
import { VERSION } from "../version.ts";

/** What a method says of itself. */
export interface DescribedMethod {
  readonly name: string;
  readonly summary: string;
  /** By name; in this order when they come as a list. */
  readonly params: z.ZodObject;
  /** What the result is, for people. */
  readonly result: string;
}

/** Describes methods as OpenRPC 1.3.2 has it. */
export function openRpcDocument(
  methods: readonly DescribedMethod[],
): Readonly<Record<string, unknown>> {
  return {
    openrpc: "1.3.2",
    info: {
      title: "External Server",
      version: VERSION,
      description: "What operators can ask and do. The key goes into Authorization or X-Api-Key",
    },
    methods: methods.map(({ name, summary, params, result }) => ({
      name,
      summary,
      paramStructure: "either",
      params: Object.entries(params.shape).map(([name, schema]) => {
        const { $schema: _, description, ...rest } = z.toJSONSchema(schema as z.ZodType);
        const required = !(schema instanceof z.ZodOptional);
        return { name, required, ...(description ? { description } : {}), schema: rest };
      }),
      result: { name: "result", description: result, schema: {} },
    })),
  };
}
