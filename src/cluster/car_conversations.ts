// The conversations of all cars that an instance serves.
import type { Car, Turn } from "../car/mod.ts";
import type { Log } from "../log/mod.ts";
import { type Clock, systemClock } from "../time/mod.ts";
import type { CarTransport, CarTransportOptions, Connector } from "../transport/mod.ts";
import type { Adoption, CarCluster, CarClusterListener, Release, Taking } from "./car_cluster.ts";
import { CarConversation } from "./car_conversation.ts";

export interface CarConversationsOptions {
  /** The way to the broker. */
  readonly connector: Pick<Connector, "createConversation">;
  readonly listener: CarClusterListener;
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
}

/** See {@linkcode CarCluster}. */
export class CarConversations implements CarCluster {
  readonly #options: CarConversationsOptions;
  readonly #cars = new Map<string, CarConversation>();

  constructor(options: CarConversationsOptions) {
    this.#options = options;
  }

  createTransport(transport: CarTransportOptions): CarTransport {
    const { connector, listener, log, clock = systemClock } = this.#options;
    const { car } = transport;
    const conversation: CarConversation = new CarConversation({
      transport,
      connector,
      listener,
      log,
      clock,
      onStopped: () => {
        if (this.#cars.get(car) === conversation) this.#cars.delete(car);
      },
    });
    this.#cars.set(car, conversation);
    return conversation;
  }

  async adopt(car: Car, taking: Taking): Promise<Adoption> {
    return await this.#cars.get(car.name)?.adopt(car, taking) ??
      { kind: "lost", detail: "The car was removed" };
  }

  async release({ name }: Car): Promise<Release> {
    return await this.#cars.get(name)?.release() ??
      { kind: "unfinished", detail: "The car was removed" };
  }

  async abandon({ name }: Car): Promise<void> {
    await this.#cars.get(name)?.abandon("It was abandoned");
  }

  onTurn(turn: Turn): void {
    this.#cars.get(turn.car)?.onTurn(turn);
  }
}
