// Logging in and out, for browsers: a cookie that no script reads takes the place of the key.
import type { Context, Hono } from "hono";
import * as z from "zod";
import { SCOPES } from "../../config/mod.ts";
import { type Bindings, noParameters } from "../middleware.ts";
import type { AuditList } from "./audit.ts";
import type { Authorization } from "./authorization.ts";
import type { LogIn } from "./log_ins.ts";

/** The path of a log-in. */
export const LOG_IN_PATH = "/login";

export const LogInView = z.object({
  name: z.string().describe("name of the key; anonymous where none is required"),
  scope: z.enum(SCOPES),
  csrfToken: z.string().nullable()
    .describe("goes into X-CSRF-Token of every POST and DELETE; null without a log-in"),
}).meta({ id: "LogInView", description: "What a browser may do" });
export type LogInView = z.output<typeof LogInView>;

/** Adds `GET` (who am I), `POST` (log in) and `DELETE` (log out). */
export function addLogInRoutes(
  app: Hono<Bindings>,
  authorization: Authorization,
  audit: AuditList,
): void {
  const view = ({ var: { caller } }: Context<Bindings>, logIn: LogIn | undefined) => ({
    name: caller.name,
    scope: caller.scope,
    csrfToken: logIn?.csrfToken ?? null,
  } satisfies LogInView);
  const locked = authorization.require("read");
  app.get(LOG_IN_PATH, locked, noParameters, (ask) => {
    authorization.renew(ask);
    return ask.json(view(ask, authorization.currentLogIn(ask)));
  });
  app.post(LOG_IN_PATH, locked, noParameters, async (ask) => {
    const logIn = await authorization.logIn(ask);
    audit.add(ask.var.caller, { kind: "log_in", action: "log_in", result: "done" });
    return ask.json(view(ask, logIn));
  });
  app.delete(LOG_IN_PATH, locked, noParameters, async (ask) => {
    await authorization.logOut(ask);
    audit.add(ask.var.caller, { kind: "log_in", action: "log_out", result: "done" });
    return ask.body(null, 204);
  });
}
