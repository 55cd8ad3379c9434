// @ts-check
/// <reference lib="dom" />
// The instances of a cluster, and where each car of the whole fleet is.
import { make, say } from "./dom.js";
import { formatTime } from "./format.js";
import { operator } from "./operator.js";
import { wayBack, WideTable } from "./view_parts.js";

/** @typedef {import("../../api/cluster.ts").ClusterView} ClusterView */

const REFRESH_MS = 2000;
const INSTANCES = ["Instance", "Version", "Cars", "Capacity", "Labels", "State"];
const CARS = ["Car", "Instance", "State", "Health", "Since", "Moves"];

/** All instances and all cars of the cluster. */
export class ClusterPage {
  title = "Cluster";
  #stopped = false;
  #fleet;
  #heading = make("h1", { tabindex: "-1" }, "Cluster");
  #note = make("p", { class: "empty", role: "status" });
  #instances = new WideTable("Instances", INSTANCES);
  #cars = new WideTable("Cars of all instances", CARS);
  #timer;
  element;

  /**
   * @param {import("./fleet.js").Fleet} fleet
   * @param {string} back where the list of all cars is
   */
  constructor(fleet, back) {
    this.#fleet = fleet;
    this.element = make(
      "article",
      { class: "one" },
      wayBack(back),
      this.#heading,
      this.#note,
      this.#instances.element,
      make("h2", {}, "Cars"),
      this.#cars.element,
    );
    this.#timer = setInterval(() => void this.#refresh(), REFRESH_MS);
    void this.#refresh();
  }

  focus() {
    this.#heading.focus();
  }

  update() {}
  tick() {}

  stop() {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  async #refresh() {
    if (document.hidden) return;
    try {
      /** @type {ClusterView} */
      const view = await operator.call("cluster.members", {});
      if (!this.#stopped) this.#show(view);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      say(this.#note, `The cluster cannot be had: ${why}`);
    }
  }

  /** @param {ClusterView} view */
  #show({ self, trouble, members, cars }) {
    const etcd = trouble === null
      ? "etcd answers."
      : `etcd does not answer, and no car changes hands: ${trouble}.`;
    say(this.#note, `This is ${self}. ${etcd}`);
    this.#instances.show(members.map((member) => {
      const { id, version, capacity, labels, draining, problem } = member;
      const state = [draining ? "draining" : "serving", ...(problem === null ? [] : [problem])];
      const texts = [
        id,
        version,
        String(member.cars),
        String(capacity),
        Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(", "),
        state.join("; "),
      ];
      return {
        key: texts.join("\n"),
        mark: problem === null ? "" : "bad",
        cells: () => texts,
      };
    }));
    this.#cars.show(cars.map(({ car, owner, to, pinnedTo, state, health, since }) => {
      const moves = [
        ...(to === null ? [] : [`to ${to}`]),
        ...(pinnedTo === null ? [] : [`wanted on ${pinnedTo}`]),
      ].join(", ");
      const at = since === null ? "" : formatTime(since, this.#fleet.now());
      const texts = [car, owner ?? "nobody", state ?? "unknown", health ?? "unknown", at, moves];
      const name = owner === self
        ? make("a", { href: `#/cars/${encodeURIComponent(car)}` }, car)
        : car;
      return {
        key: texts.join("\n"),
        mark: owner === null ? "bad" : "",
        cells: () => [name, ...texts.slice(1)],
      };
    }));
  }
}
