// The command ledger in the API: what became of every command, and what becomes of it now.
import * as z from "zod";
import {
  COMMAND_STATES,
  type CommandChange,
  type CommandLedger,
  type LedgerCommand,
  type LiveChange,
} from "../../ledger/mod.ts";
import { quote } from "../../text/mod.ts";
import { RpcError } from "../errors.ts";
import { RPC_ERRORS, RpcCode } from "./json_rpc.ts";
import { defineFor, type Method } from "./method.ts";
import { payloadView } from "./payload_view.ts";
import { PayloadView, time } from "./schemas.ts";

/** What the methods read from. */
export interface CommandSource {
  /** Absent: there is no event log. */
  readonly ledger?: CommandLedger | undefined;
}

const id = () => z.string().describe("`company/car/moment/number`; stays the same");
const device = () => z.string().describe("module/type/role");

const Change = z.object({
  state: z.enum(COMMAND_STATES).describe(
    "popped: its module gave it; queued: it waits; sent; accepted or refused by the gateway; " +
      "superseded: a newer one took its place; expired: it became too old; dropped: it could not " +
      "be sent; lost: its session, or the server, ended before its response",
  ),
  at: time(),
  sessionId: z.string().nullable(),
  counter: z.int().min(0).nullable().describe("under which it was sent"),
  why: z.string().nullable().describe(
    "coded, such as INVALID_COMMAND, device_not_listed or session_ended; null: the state says it all",
  ),
}).meta({ id: "CommandChange" });

export const LedgerCommandView = z.object({
  id: id(),
  car: z.string(),
  device: device(),
  data: PayloadView,
  state: Change.shape.state,
  changes: z.array(Change).min(1).readonly().describe("in order; the last one is its state"),
}).meta({ id: "LedgerCommandView", description: "A command, and what has become of it" });
export type LedgerCommandView = z.infer<typeof LedgerCommandView>;

const Page = z.object({
  commands: z.array(LedgerCommandView).readonly().describe("newest first"),
  next: z.string().nullable().describe(
    "`before` of the next page; null: the log has no earlier ones",
  ),
}).meta({
  id: "CommandPage",
  description: "Commands; fewer than wanted when finding more would take long",
});

/** Changes of commands, gathered for a moment. */
export const CommandsEvent = z.object({
  type: z.literal("commands"),
  at: time(),
  changes: z.array(Change.extend({
    id: id(),
    car: z.string(),
    device: device(),
    data: PayloadView.nullable().describe("of a command that is new; null for all others"),
  })).readonly().describe("in order"),
  missed: z.int().min(0).describe("further changes that were too many to be told"),
}).meta({ id: "CommandsEvent" });
export type CommandsEvent = z.infer<typeof CommandsEvent>;

/** The methods. */
export function commandMethods<Source extends CommandSource>(): readonly Method<Source>[] {
  const define = defineFor<Source>();
  return [
    define({
      name: "commands.list",
      summary: "What became of commands, newest first; requires event_log",
      scope: "read",
      rest: { verb: "GET", path: "/api/v1/commands" },
      params: z.strictObject({
        car: z.string().optional().describe("Absent: of all cars"),
        state: z.array(z.enum(COMMAND_STATES)).min(1).optional()
          .describe("Commands that are in one of these states now"),
        limit: z.int().min(1).max(500).optional().describe("Absent: 100"),
        before: z.string().max(100).optional().describe("`next` of the page before"),
      }),
      result: Page,
      run: async ({ car, state: states, limit = 100, before }, source) => {
        const page = await ledgerOf(source).list({ car, states, limit, before });
        if (page === undefined) noSuchPage(before);
        return { commands: page.commands.map(commandView), next: page.next };
      },
    }),
    define({
      name: "commands.get",
      summary: "What became of a command; requires event_log",
      scope: "read",
      rest: { verb: "GET", path: "/api/v1/commands/{id}" },
      params: z.strictObject({ id: id() }),
      result: LedgerCommandView,
      run: async ({ id }, source) => {
        const command = await ledgerOf(source).get(id);
        return command === undefined ? noSuchCommand(id) : commandView(command);
      },
    }),
  ];
}

function commandView({ id, car, device, data, bytes, changes }: LedgerCommand): LedgerCommandView {
  const all = changes.map(changeView);
  const state = all.at(-1)?.state ?? "popped";
  return { id, car, device, data: payloadView({ data, bytes }), state, changes: all };
}

function changeView({ state, at, session, counter, why }: CommandChange) {
  return { state, at, sessionId: session, counter, why };
}

/** A change as the event stream tells it. */
export function liveChangeView(change: LiveChange): CommandsEvent["changes"][number] {
  const { id, car, device, payload } = change;
  const data = payload === null ? null : payloadView(payload);
  return { id, car, device, data, ...changeView(change) };
}

function ledgerOf({ ledger }: CommandSource): CommandLedger {
  if (ledger !== undefined) return ledger;
  const message = "Expected the section event_log, which commands are read from: found none";
  throw new RpcError(RPC_ERRORS.UNAVAILABLE, message);
}

function noSuchPage(before = ""): never {
  const message = `before: Expected the next of a page: found ${quote(before)}`;
  throw new RpcError(RpcCode.INVALID_PARAMS, message);
}

function noSuchCommand(id: string): never {
  const message = `Expected a command that the event log still has: found ${quote(id)}`;
  throw new RpcError(RPC_ERRORS.NO_SUCH_COMMAND, message);
}
