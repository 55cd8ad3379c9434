// The settings of cars and the specifications of their contexts, from the configuration.
import type { CarConfig, ServerConfig } from "../config/mod.ts";
import type { ContextSpec } from "../module/mod.ts";
import type { SessionSettings } from "../session/mod.ts";
import type { MessageLimits } from "../transport/mod.ts";

/** A car of a configuration. */
type CarOf = readonly [config: ServerConfig, car: CarConfig];

/** Whether session settings differ for a car whose modules stay. */
export function hasOtherSettings(before: CarOf, next: CarOf): boolean {
  const texts = [before, next].map(([config, car]) => {
    const { modules: _, ...settings } = sessionSettings(config, car);
    return JSON.stringify([settings, messageLimits(config)]);
  });
  return texts[0] !== texts[1];
}

/** How much of a gateway is read. */
export function messageLimits({ limits }: ServerConfig): MessageLimits {
  const { maxMessageBytes, maxMessagesPerSecond } = limits;
  return { maxMessageBytes, maxMessagesPerSecond };
}

/** The session settings of one car. */
export function sessionSettings(config: ServerConfig, car: CarConfig): SessionSettings {
  const { company, timeouts, limits, sendInvalidCommand } = config;
  const commandPolicies = car.modules.flatMap(({ id, commandPolicy }) =>
    commandPolicy === undefined ? [] : [{ module: id, ...commandPolicy }]
  );
  return {
    company,
    car: car.name,
    modules: car.modules.map(({ id }) => id),
    sessionMs: timeouts.sessionMs,
    responseMs: timeouts.responseMs,
    sendInvalidCommand,
    ...limits,
    ...(commandPolicies.length === 0 ? {} : { commandPolicies }),
  };
}

/** The specifications of one car's contexts; `init` gets company and car first [MODULE-CONFIG]. */
export function contextSpecs({ company }: ServerConfig, car: CarConfig): ContextSpec[] {
  return car.modules.map(({ id, parameters, commandPolicy: _, ...module }) => {
    const named = new Map([["company_name", company], ["car_name", car.name], ...parameters]);
    return {
      company,
      car: car.name,
      module: id,
      ...module,
      parameters: [...named],
    };
  });
}
