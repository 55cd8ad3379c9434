// What is wrong with a car, in words: a sentence for each cause.
import type { BrokerTrouble } from "../../transport/mod.ts";
import type { MissingModules } from "../../server/mod.ts";
import { FAILURES } from "../../session/mod.ts";
import { causeAdvice } from "./advice.ts";
import type { CarHealth } from "./car_health.ts";
import { type Cause, type CauseCode, type Health, severityOf, type Trouble } from "./health.ts";

/** What is known beside the turns. */
export interface Surroundings {
  readonly now: number;
  /** What the car's modules lack. */
  readonly missing: MissingModules | null;
  readonly broker: BrokerTrouble | null;
}

const RANKS = { down: 0, degraded: 1, waiting: 2 } as const;

/** A car's health in words. */
export function healthOf(car: string, health: CarHealth, around: Surroundings): Health {
  const causes: Cause[] = [];
  for (const trouble of health.troubles) {
    if (trouble.endedAt === null) causes.push(causeOf(car, trouble, health, around));
  }
  // Newer ones first among equals.
  causes.sort((a, b) => RANKS[a.severity] - RANKS[b.severity] || b.since - a.since);
  const { state, since } = health;
  return { state, since: Math.floor(since), causes };
}

/** A cause in words. */
export function causeOf(
  car: string,
  trouble: Trouble,
  health: CarHealth,
  around: Surroundings,
): Cause {
  const { code } = trouble;
  const { attempts, nextAttemptAt } = attemptsOf(code, around);
  return {
    code,
    severity: severityOf(code),
    since: Math.floor(trouble.since),
    text: textOf(car, trouble, health, around),
    advice: causeAdvice(code, trouble.unserved ?? health.unserved),
    module: moduleOf(car, trouble, health, around),
    attempts,
    nextAttemptAt: nextAttemptAt === null ? null : Math.floor(nextAttemptAt),
  };
}

/** Troubles of the same group have the same cause: they are one incident. */
export function groupOf(
  car: string,
  trouble: Trouble,
  health: CarHealth,
  around: Surroundings,
): string {
  const { code } = trouble;
  const module = moduleOf(car, trouble, health, around);
  switch (code) {
    case "broker_away":
      return code;
    case "modules_away": {
      const { crash } = health;
      if (crash !== null) return crash.group;
      const { problem = null } = around.missing ?? {};
      return problem === null ? code : `${code} ${module} ${problem.detail}`;
    }
    case "module_refuses_statuses":
    case "slow_responses":
      return `${code} ${module}`;
    default:
      return `${code} ${car}`;
  }
}

function attemptsOf(code: CauseCode, { missing, broker }: Surroundings) {
  if (code === "broker_away" && broker !== null) return broker;
  if (code === "modules_away" && missing !== null) return missing;
  return { attempts: null, nextAttemptAt: null };
}

function moduleOf(
  car: string,
  trouble: Trouble,
  health: CarHealth,
  { missing }: Surroundings,
): number | null {
  if (trouble.code === "modules_away" && health.crash === null) {
    return missing?.problem?.module ?? null;
  }
  return health.moduleOf(car, trouble);
}

function textOf(
  car: string,
  trouble: Trouble,
  health: CarHealth,
  around: Surroundings,
): string {
  const { code, detail } = trouble;
  const module = moduleOf(car, trouble, health, around);
  const ofModule = module === null ? "" : ` of module ${module}`;
  switch (code) {
    case "broker_away": {
      const reason = around.broker?.reason ?? null;
      if (reason !== null) return `Broker away: ${reason}`;
      return detail === "" ? "No connection to the broker yet" : detail;
    }
    case "modules_away": {
      if (health.crash !== null) return health.crash.textFor(car);
      const { problem = null } = around.missing ?? {};
      return problem === null
        ? "Its modules are being opened"
        : `Module ${problem.module} away: ${problem.detail}`;
    }
    case "module_refuses_statuses": {
      const share = module === null ? undefined : health.statuses.get(module);
      const { refused = 0, total = 0 } = share ?? {};
      return `Module ${module} refuses statuses: ${refused} of the last ${total}`;
    }
    case "slow_responses": {
      const seconds = (health.slowestMs(around.now) / 1000).toFixed(1);
      return `Responses${ofModule} take up to ${seconds} s, ${health.unanswered} unanswered`;
    }
    case "growing_backlog":
      return `${health.unanswered} statuses unanswered, and their number has grown`;
    case "commands_kept":
      return `Commands${ofModule} wait: too many are on their way to the car`;
    case "gateway_refuses_commands": {
      const { refused, total } = health.commands;
      return `The gateway refuses commands: ${refused} of the last ${total}`;
    }
    case "devices_not_connected": {
      const { count } = health.unserved;
      return `${count} listed ${count === 1 ? "device is" : "devices are"} not connected`;
    }
    default: {
      const { title } = FAILURES[code];
      return detail === "" ? title : `${title}: ${detail}`;
    }
  }
}
