// New settings for a running session: they take effect at once, and end no session.
import { withPolicies } from "./command_keeping.ts";
import { withoutModules } from "./command_order.ts";
import type { Environment, StepContext } from "./effects.ts";
import { gatewayTime } from "./backpressure.ts";
import { sendCommands } from "./running.ts";
import type { Connecting, Running, Session } from "./state.ts";

/**
 * Takes the new settings of the environment; company and car must be the same.
 *
 * A wait that is over by the new settings starts over, so that a shorter timeout never ends a
 * session for a silence that was allowed until now. Commands of modules that the car no longer has
 * are dropped.
 */
export function onSettings(session: Session, context: StepContext): Session {
  const kept = withoutModules(session.base.commands, context.settings.modules, context);
  const commands = withPolicies(kept, context);
  const base = { ...session.base, commands };
  switch (session.kind) {
    case "connecting":
      return withWaitsInTime({ ...session, base }, context);
    case "running":
      return sendCommands(withRunningWaitsInTime({ ...session, base }, context), context);
    default:
      return { ...session, base };
  }
}

function withWaitsInTime(session: Connecting, { now, settings }: Environment): Connecting {
  const { step } = session;
  const { responseMs } = settings;
  if (step.name === "devices" || now < step.since + responseMs) return session;
  return { ...session, step: { ...step, since: now } };
}

function withRunningWaitsInTime(session: Running, { now, settings }: Environment): Running {
  const { sessionMs, responseMs } = settings;
  const { heardAt, statuses, sent } = session;
  const { gapSince } = statuses;
  const time = gatewayTime(session, now);
  const gapIsOver = gapSince !== null && time >= gapSince + responseMs;
  return {
    ...session,
    heardAt: time >= heardAt + sessionMs ? time : heardAt,
    statuses: gapIsOver ? { ...statuses, gapSince: time } : statuses,
    sent: sent.map((one) => time >= one.sentAt + responseMs ? { ...one, sentAt: time } : one),
  };
}
