// What a server runs while only some of its cars try a configuration.
import type { ServerConfig } from "../resolve/config.ts";

/**
 * `running` with the cars of `next` that have one of the labels; all other cars and every setting stay
 * as they are. Cars that `next` does not have stay, too.
 */
export function canaryConfig(
  running: ServerConfig,
  next: ServerConfig,
  labels: readonly string[],
): ServerConfig {
  // Another company's cars are other cars: there is no part of it to try.
  if (running.company !== next.company) return running;
  const canary = new Map(
    next.cars.filter((car) => car.labels?.some((label) => labels.includes(label)))
      .map((car) => [car.name, car]),
  );
  const kept = running.cars.map((car) => canary.get(car.name) ?? car);
  const before = new Set(running.cars.map(({ name }) => name));
  const added = [...canary.values()].filter(({ name }) => !before.has(name));
  return { ...running, cars: [...kept, ...added] };
}
