// What became of every command, read from the event log.
export { CommandFeed } from "./command_feed.ts";
export { CommandLedger, type CommandPage, type CommandQuery } from "./command_ledger.ts";
export {
  COMMAND_STATES,
  type CommandChange,
  type CommandState,
  type LedgerCommand,
  type LiveChange,
} from "./ledger_command.ts";
