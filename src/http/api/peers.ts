// Asks the other instances of a cluster how their cars are. An instance that does not answer in time
// holds up nothing for longer.
import * as z from "zod";
import type { Member } from "../../cluster/mod.ts";
import { HEALTH_STATES } from "../../observe/mod.ts";
import { STATE_NAMES } from "../../session/mod.ts";
import type { Clock } from "../../time/mod.ts";
import { callServer, RunningServerError } from "../client.ts";

/** Deadline for an answer, in milliseconds. */
const ANSWER_MS = 2_000;
/** Answers count for so long, whoever wants them, in milliseconds. */
const FRESH_MS = 1_000;

/** What is read of another instance's cars. */
const PeerCars = z.object({
  cars: z.array(z.object({
    car: z.string(),
    state: z.enum(STATE_NAMES),
    since: z.number(),
    health: z.object({ state: z.enum(HEALTH_STATES) }),
  })),
});

/** A car of another instance. */
export interface PeerCar {
  readonly car: string;
  readonly state: typeof STATE_NAMES[number];
  readonly health: typeof HEALTH_STATES[number];
  readonly since: number;
}

/** Its cars, or why they are not known. */
export type PeerAnswer = readonly PeerCar[] | string;

type Answers = ReadonlyMap<string, PeerAnswer>;

/** The other instances, over HTTP. */
export class Peers {
  readonly #key: string | undefined;
  readonly #clock: Clock;
  #asked: { readonly at: number; readonly answers: Promise<Answers> } | undefined;

  /** @param key of the cluster; undefined: they want none */
  constructor(key: string | undefined, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  /** The cars of these instances. Never rejects; many who ask at once share the answers. */
  cars(members: readonly Pick<Member, "id" | "url">[]): Promise<Answers> {
    const now = this.#clock.now();
    if (this.#asked === undefined || now - this.#asked.at > FRESH_MS) {
      const answers = Promise.all(members.map(async ({ id, url }) => {
        return [id, await this.#carsAt(url)] as const;
      }));
      this.#asked = { at: now, answers: answers.then((all) => new Map(all)) };
    }
    return this.#asked.answers;
  }

  /**
   * Calls a method of another instance.
   *
   * @throws {RunningServerError} when it does not do it.
   */
  call(url: string, method: string, params: unknown): Promise<object> {
    return callServer(url, method, { params, apiKey: this.#key, timeoutMs: ANSWER_MS });
  }

  async #carsAt(url: string | null): Promise<PeerAnswer> {
    if (url === null) return "It advertises no address";
    try {
      const found = PeerCars.safeParse(await this.call(url, "fleet.list", {}));
      if (!found.success) return "It answers as another version";
      return found.data.cars.map(({ health, ...car }) => ({ ...car, health: health.state }));
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}

/** What is read of the instances of a cluster. */
const Members = z.object({
  self: z.string(),
  members: z.array(z.object({
    id: z.string(),
    version: z.string(),
    checkpointFormat: z.int(),
    cars: z.int(),
  })),
});

/**
 * The cluster of the server at an HTTP address.
 *
 * @throws {RunningServerError} when it does not say.
 */
export async function askMembers(address: string, apiKey?: string) {
  const found = Members.safeParse(await callServer(address, "cluster.members", { apiKey }));
  if (found.success) return found.data;
  throw new RunningServerError(
    `Cannot ask the server at "${address}": it answers as another version`,
  );
}
