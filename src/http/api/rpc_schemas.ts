// Schemas of requests and answers of JSON-RPC 2.0.
import * as z from "zod";

const rpcId = () => z.union([z.string(), z.number(), z.null()]);
const RpcRequest = z.object({
  jsonrpc: z.literal("2.0"),
  method: z.string(),
  params: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]).optional()
    .describe("by name, or in the order of the method"),
  id: rpcId().optional().describe("absent: carried out without an answer"),
}).meta({ id: "RpcRequest" });
/** What JSON-RPC is asked. */
export const RpcBody = z.union([RpcRequest, z.array(RpcRequest).min(1)])
  .meta({ id: "RpcBody", description: "One request of JSON-RPC 2.0, or a batch" });

const RpcAnswer = z.object({
  jsonrpc: z.literal("2.0"),
  id: rpcId(),
  result: z.unknown().optional(),
  error: z.object({ code: z.int(), message: z.string(), data: z.unknown().optional() }).optional(),
}).meta({ id: "RpcAnswer" });
/** What JSON-RPC answers. */
export const RpcAnswers = z.union([RpcAnswer, z.array(RpcAnswer)])
  .meta({ id: "RpcAnswers", description: "One answer of JSON-RPC 2.0, or those of a batch" });
