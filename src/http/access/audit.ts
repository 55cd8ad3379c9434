// What operators have done: who, from where, what, and what came of it.
import * as z from "zod";
import { andSuppressed, type Log, Once } from "../../log/mod.ts";
import type { StateDirectory, StateFile } from "../../state/mod.ts";
import type { Clock } from "../../time/mod.ts";
import type { Caller } from "./caller.ts";

/**
 * Actions of each kind that are remembered; the oldest of its kind is forgotten for a further one.
 * So nobody who may only look on can push out what others have done.
 */
const MAX_OF_KIND = { action: 1000, log_in: 200, refused: 200 } as const;
/** Cars that an action names; the rest are counted. */
const MAX_CARS = 1000;
/**
 * With more characters in the names of their cars, the oldest of the kind are forgotten. One has up
 * to 303,000.
 */
const MAX_NAMES = { action: 1_000_000, log_in: 0, refused: 400_000 } as const;
/** Cars that a line of the log names. */
const LOGGED_CARS = 10;
/** Longer strings are cut, in characters. */
const MAX_TEXT = 300;

export const AuditedAction = z.object({
  id: z.int().min(1).describe("greater than that of every earlier action"),
  at: z.number().describe("milliseconds since the epoch"),
  who: z.string().describe("name of the key; anonymous where none is required"),
  from: z.string().describe("address the request came from"),
  kind: z.enum(["action", "log_in", "refused"])
    .describe("what was done, a log-in or log-out, or what the key does not allow"),
  action: z.string().describe("the method of the API, log_in or log_out"),
  cars: z.array(z.string()).readonly().describe("the cars it names, at most 1,000"),
  carCount: z.int().min(0).describe("how many it names"),
  detail: z.string().describe("its other parameters, such as the reason of a pause"),
  result: z.string().describe("done, or what went wrong"),
}).meta({ id: "AuditedAction", description: "What an operator did" });
export type AuditedAction = z.output<typeof AuditedAction>;

/** Where they are kept. */
export const ACTIONS_DOCUMENT = {
  name: "actions.json",
  schema: z.strictObject({ format: z.literal(1), actions: z.array(AuditedAction) }),
};

/** What was done. */
export interface Action {
  readonly kind: AuditedAction["kind"];
  readonly action: string;
  readonly cars?: readonly string[];
  readonly detail?: string;
  readonly result: string;
}

/** Gets an action, and how many refused ones were left out before it. */
export type OnAction = (action: AuditedAction, suppressed: number) => void;

/** The audit list: in memory, in the log, and with a state directory on the disk. */
export class AuditList {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #directory: StateDirectory | undefined;
  /** The oldest first. */
  readonly #actions: AuditedAction[] = [];
  readonly #counts = { action: 0, log_in: 0, refused: 0 };
  #lastId = 0;
  readonly #once: Once;
  /** Characters in the names of their cars. */
  readonly #names = { action: 0, log_in: 0, refused: 0 };
  #file: StateFile | undefined;
  readonly #onAction: OnAction;

  /**
   * @param directory absent: the list ends with the server
   * @param onAction called for every action; for refused ones as often as the log tells them
   */
  constructor(
    log: Log,
    clock: Clock,
    directory: StateDirectory | undefined,
    onAction: OnAction = () => {},
  ) {
    this.#log = log;
    this.#clock = clock;
    this.#once = new Once({ clock });
    this.#directory = directory;
    this.#onAction = onAction;
  }

  /**
   * Reads what was kept.
   *
   * @throws {StateError} when it can neither be used nor set aside.
   */
  async load(): Promise<void> {
    if (this.#directory === undefined) return;
    const kept = await this.#directory.readOrSetAside(ACTIONS_DOCUMENT);
    for (const action of kept?.actions ?? []) this.#remember(action);
    const { name } = ACTIONS_DOCUMENT;
    this.#file = this.#directory.file(name, () => ({ format: 1, actions: this.#actions }));
  }

  /** Adds what somebody has done, or tried. */
  add({ name, from }: Pick<Caller, "name" | "from">, action: Action): void {
    const cars = action.cars ?? [];
    const added: AuditedAction = {
      id: ++this.#lastId,
      at: Math.floor(this.#clock.now()),
      who: name,
      from,
      kind: action.kind,
      action: cut(action.action),
      cars: cars.slice(0, MAX_CARS).map(cut),
      carCount: cars.length,
      detail: cut(action.detail ?? ""),
      result: cut(action.result),
    };
    this.#remember(added);
    void this.#file?.save();
    const log = cars.length === 1 ? this.#log.forCar(added.cars[0] ?? "") : this.#log;
    // Anybody who is let in can cause thousands a second.
    const count = action.kind === "refused" ? this.#once.ask(name) : 0;
    if (count === undefined) return;
    this.#onAction(added, count);
    if (action.kind === "refused") log.warning(() => actionText(added) + andSuppressed(count));
    else log.info(() => actionText(added));
  }

  #remember(action: AuditedAction): void {
    const { kind } = action;
    this.#lastId = action.id;
    this.#actions.push(action);
    this.#names[kind] += namesOf(action);
    if (++this.#counts[kind] > MAX_OF_KIND[kind]) this.#forget(kind);
    while (this.#names[kind] > MAX_NAMES[kind]) this.#forget(kind);
  }

  /** Forgets the oldest of a kind. */
  #forget(kind: AuditedAction["kind"]): void {
    const index = this.#actions.findIndex((action) => action.kind === kind);
    const [oldest] = this.#actions.splice(index, 1);
    this.#counts[kind]--;
    if (oldest !== undefined) this.#names[kind] -= namesOf(oldest);
  }

  /**
   * The newest actions first.
   *
   * @param before only those with a smaller id
   * @param car only those that name it
   */
  list(limit: number, before?: number, car?: string): AuditedAction[] {
    return this.#actions.filter(({ id, cars }) =>
      (before === undefined || id < before) && (car === undefined || cars.includes(car))
    ).reverse().slice(0, limit);
  }
}

/** Such as `Operator "desk" from 10.0.0.7: car.pause of car_a (brake check): done`. */
function actionText({ who, from, action, cars, carCount, detail, result }: AuditedAction): string {
  const more = carCount > LOGGED_CARS ? ` and ${carCount - LOGGED_CARS} more` : "";
  const of = carCount === 0 ? "" : ` of ${cars.slice(0, LOGGED_CARS).join(", ")}${more}`;
  const why = detail === "" ? "" : ` (${detail})`;
  return `Operator ${JSON.stringify(who)} from ${from}: ${action}${of}${why}: ${result}`;
}

function namesOf({ cars }: AuditedAction): number {
  return cars.reduce((sum, { length }) => sum + length, 0);
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
}
