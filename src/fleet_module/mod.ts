// What a module in TypeScript or JavaScript is: the default export of its file is a class like these.
//
// Every method may be asynchronous. One that returns `false`, throws or rejects says no, or that it
// has failed; the error is logged with its place, and nothing else is affected.
export type {
  Answer,
  Command,
  Device,
  DisconnectReason,
  ModuleContext,
  ServerModule,
  ServerModuleClass,
} from "./server_module.ts";
export type { GatewayModule, GatewayModuleClass } from "./gateway_module.ts";
