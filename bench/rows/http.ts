// What operators cost: the same server with its port for HTTP in use, and without one.
import { freePort } from "../../tests/support/mosquitto.ts";
import { figure } from "../support/figure.ts";
import { type Sample, Stage } from "../support/stage.ts";
import { plainModules, type Row } from "./row.ts";

const CARS = 10;
const PACE = { rate: 0, window: 10, bytes: 64 };
const WINDOWS = 5;
const SECONDS = 3;
/** As often as Prometheus is usually told to ask, in milliseconds. */
const SCRAPE_MS = 15_000;

/** One page that is open until the server ends, and Prometheus. */
class Watchers implements Disposable {
  readonly #url: string;
  readonly #timer: ReturnType<typeof setInterval>;
  scrapes = 0;
  events = 0;

  constructor(url: string) {
    this.#url = url;
    void this.#listen();
    this.#timer = setInterval(() => void this.#scrape(), SCRAPE_MS);
  }

  async #listen(): Promise<void> {
    try {
      const { body } = await fetch(`${this.#url}/api/v1/events`);
      for await (const _ of body ?? []) this.events++;
    } catch {
      // The server has ended; whether it ever began, the counts say.
    }
  }

  async #scrape(): Promise<void> {
    try {
      const answer = await fetch(`${this.#url}/metrics`, { signal: AbortSignal.timeout(5_000) });
      if ((await answer.text()).includes("statuses_answered_total")) this.scrapes++;
    } catch {
      // The same.
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

export const httpOn: Row = {
  name: "http_on",
  byDefault: false,
  async run(context) {
    const port = freePort();
    const common = { side: "server", cars: CARS, modules: plainModules(context) } as const;
    await using off = await Stage.set(common);
    await using on = await Stage.set({ ...common, more: { http: { port } } });
    using watchers = new Watchers(`http://127.0.0.1:${port}`);
    const samples = { on: [] as Sample[], off: [] as Sample[] };
    for (const stage of [off, on]) await stage.measure(PACE, 2);
    for (let i = 0; i < WINDOWS; i++) {
      samples.on.push(await on.measure(PACE, SECONDS));
      samples.off.push(await off.measure(PACE, SECONDS));
    }
    const { scrapes, events } = watchers;
    if (scrapes === 0 || events < WINDOWS * SECONDS) {
      throw new Error(`Cannot trust the watchers: ${scrapes} scrapes and ${events} events`);
    }
    const both = { row: this.name, samples: [...samples.on, ...samples.off] };
    return [
      figure({
        ...both,
        what: "HTTP in use, 10 cars, 10 in flight each, against the same without HTTP",
        unit: "/s",
        server: samples.on.map(({ perSecond }) => perSecond),
        reference: samples.off.map(({ perSecond }) => perSecond),
        reach: ">= 0.97 x without",
        reached: (_, ratio) => ratio >= 0.97,
      }),
      figure({
        ...both,
        what: "the same: CPU per status, hosts included",
        unit: "us",
        server: samples.on.map(({ cpuPerStatusUs }) => cpuPerStatusUs),
        reference: samples.off.map(({ cpuPerStatusUs }) => cpuPerStatusUs),
        reach: "<= 1.15 x without",
        reached: (_, ratio) => ratio <= 1.15,
      }),
    ];
  },
};
