// The webhook as a part of the program; nothing of it is loaded while it is off.
import type { ServerConfig } from "../config/mod.ts";
import type { Log } from "../log/mod.ts";
import type { FleetWatch } from "../observe/mod.ts";
import type { Webhook } from "../webhook/mod.ts";
import { systemClock } from "../time/mod.ts";
import type { Part } from "./lifetime.ts";
import type { State } from "./state.ts";
import type { Running } from "./telemetry.ts";

/** The webhook, and what it hears of incidents from. */
export interface WebhookParts {
  /**
   * Starts before the server, with the incidents that go on, and stops after it: what it says last is
   * posted.
   */
  readonly sender: Part;
  readonly webhook: Pick<Webhook, "counts">;
  /** Observes all cars; HTTP uses the same. */
  readonly watch: FleetWatch;
  /** Starts after the server. */
  readonly watching: Part;
}

/** Undefined when it is off. */
export async function webhookOf(
  { webhook: config, company }: ServerConfig,
  log: Log,
  running: Readonly<Running>,
  state: Pick<State, "stateDirectory"> | undefined,
): Promise<WebhookParts | undefined> {
  if (config === undefined) return undefined;
  const [{ Webhook }, { FleetWatch, IncidentLog }] = await Promise.all([
    import("../webhook/mod.ts"),
    import("../observe/mod.ts"),
  ]);
  const webhook = new Webhook({ config, company, log });
  const watch = new FleetWatch();
  watch.listenToIncidents(new IncidentLog(log, systemClock));
  watch.listenToIncidents(webhook);
  return {
    webhook,
    sender: {
      name: "the webhook",
      async start() {
        const { stateDirectory } = state ?? {};
        if (stateDirectory !== undefined) await watch.load(stateDirectory, log);
      },
      stop: () => webhook.stop(),
    },
    watch,
    watching: {
      name: "the watch for incidents",
      start() {
        if (running.server !== undefined) watch.start(running.server);
        return Promise.resolve();
      },
      stop: () => watch.stop(),
    },
  };
}
