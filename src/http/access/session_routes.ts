// Logging in and out, for browsers: a cookie that no script reads takes the place of the key.
import type { Context, Hono } from "hono";
import * as z from "zod";
import { SCOPES } from "../../config/mod.ts";
import type { Bindings } from "../middleware.ts";
import type { AuditList } from "./audit.ts";
import type { Authorization } from "./authorization.ts";
import type { Session } from "./sessions.ts";

/** The path of a log-in. */
export const SESSION_PATH = "/session";

export const SessionView = z.object({
  name: z.string().describe("name of the key; anonymous where none is required"),
  scope: z.enum(SCOPES),
  csrfToken: z.string().nullable()
    .describe("goes into X-CSRF-Token of every POST and DELETE; null without a log-in"),
}).meta({ id: "SessionView", description: "What a browser may do" });
export type SessionView = z.output<typeof SessionView>;

/** Adds `GET` (who am I), `POST` (log in) and `DELETE` (log out). */
export function addSessionRoutes(
  app: Hono<Bindings>,
  authorization: Authorization,
  audit: AuditList,
): void {
  const view = ({ var: { caller } }: Context<Bindings>, session: Session | undefined) => ({
    name: caller.name,
    scope: caller.scope,
    csrfToken: session?.csrfToken ?? null,
  } satisfies SessionView);
  const locked = authorization.require("read");
  app.get(SESSION_PATH, locked, (ask) => {
    authorization.renew(ask);
    return ask.json(view(ask, authorization.session(ask)));
  });
  app.post(SESSION_PATH, locked, async (ask) => {
    const session = await authorization.logIn(ask);
    audit.add(ask.var.caller, { kind: "session", action: "session.open", result: "done" });
    return ask.json(view(ask, session));
  });
  app.delete(SESSION_PATH, locked, async (ask) => {
    await authorization.logOut(ask);
    audit.add(ask.var.caller, { kind: "session", action: "session.close", result: "done" });
    return ask.body(null, 204);
  });
}
