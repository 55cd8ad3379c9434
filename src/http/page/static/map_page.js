// @ts-check
/// <reference lib="dom" />
// Where the cars are: a map, and a list beside it that says the same.
import { ask } from "./connection.js";
import { make, say } from "./dom.js";
import { counted } from "./format.js";
import { MapCar } from "./map_car.js";
import { MapPlot } from "./map_plot.js";
import { project } from "./map_view.js";
import { reorder } from "./order.js";
import { carHash } from "./row.js";
import { Slices } from "./slices.js";
import { DEFAULT_SORT, sorted } from "./sorting.js";
import { wayBack } from "./view_parts.js";

/** @typedef {import("../../api/schemas.ts").TrackView} TrackView */
/** @typedef {import("./fleet.js").Changes} Changes */

/** With more cars, those that run are dots, and have no track. */
const NAMED = 40;
/** Cars in trouble that are more than dots. */
const MOST_MARKS = 80;
const ANSWER_MS = 10_000;

/** The map of the fleet. */
export class MapPage {
  title = "Map";
  #fleet;
  #gone = new AbortController();
  /** Cars that have told a position. @type {Map<string, MapCar>} */
  #cars = new Map();
  /** @type {ReadonlyMap<string, TrackView>} */
  #tracks = new Map();
  /** How many cars have a position. */
  #found = 0;
  #plot;
  #making = new Slices(
    (/** @type {string} */ name) => this.#make(name),
    (isLast) => {
      if (isLast) this.#arrange();
      // The worst come first, and have marks; dots come together, as each would draw all anew.
      if (isLast || this.#cars.size <= MOST_MARKS) this.#plot.draw();
    },
  );
  #heading = make("h1", { tabindex: "-1" }, "Map");
  #list = make("ul", { class: "map-cars", "aria-label": "Cars, the worst first" });
  #others = make("p", { class: "muted" });
  #empty = make(
    "p",
    { class: "empty", hidden: true },
    "No car has told its position yet. Positions are read from statuses in JSON; the section ",
    make("code", {}, "map"),
    " of the configuration says where in them.",
  );
  element;

  /**
   * @param {import("./fleet.js").Fleet} fleet
   * @param {string} back where the list of all cars is
   */
  constructor(fleet, back) {
    this.#fleet = fleet;
    this.#plot = new MapPlot({
      map: fleet.map,
      spots: () =>
        [...fleet.cars.values()].flatMap(({ position }) =>
          position === null ? [] : [project(position.latitude, position.longitude)]
        ),
      onDraw: () => this.#draw(),
    });
    this.element = make(
      "section",
      { class: "map" },
      make("div", { class: "tools" }, wayBack(back), this.#heading, this.#others),
      this.#empty,
      make("div", { class: "map-parts" }, this.#plot.element, this.#list),
    );
    this.#showAll();
    void this.#loadTracks();
  }

  focus() {
    this.#heading.focus({ preventScroll: true });
  }

  stop() {
    this.#gone.abort();
    this.#making.stop();
    this.#plot.stop();
  }

  /** @param {Changes} changes */
  update(changes) {
    if (changes.fleet) {
      this.#showAll();
      void this.#loadTracks();
      return;
    }
    const now = this.#fleet.now();
    for (const name of changes.positions) this.#drive(name);
    for (const name of changes.cars) this.#show(name, now);
    if (changes.cars.size > 0) this.#arrange();
    if (changes.positions.size > 0) this.#plot.draw();
  }

  /** What changes by itself, as time goes by. */
  tick() {
    const now = this.#fleet.now();
    for (const name of this.#cars.keys()) this.#show(name, now);
  }

  #showAll() {
    const { cars } = this.#fleet;
    for (const [name, car] of this.#cars) {
      if (cars.has(name)) continue;
      car.remove();
      this.#cars.delete(name);
    }
    this.tick();
    this.#sum();
    const found = [...cars.values()].filter(({ position }) => position !== null);
    const missing = sorted(found, DEFAULT_SORT, false)
      .map(({ car }) => car)
      .filter((name) => !this.#cars.has(name));
    this.#making.start(missing);
  }

  /** @param {string} name */
  #make(name) {
    const position = this.#fleet.cars.get(name)?.position ?? null;
    if (position === null || this.#cars.has(name)) return;
    const car = new MapCar(name, position, () => this.#plot.center(car.spot));
    this.#cars.set(name, car);
    this.#list.append(car.item);
    car.start(this.#tracks.get(name)?.points ?? []);
    this.#show(name, this.#fleet.now());
    this.#mark(car, this.#cars.size - 1);
  }

  /**
   * @param {MapCar} car
   * @param {number} index among all, the worst first
   */
  #mark(car, index) {
    const isTroubled = car.condition !== "running";
    car.setMarked(this.#found <= NAMED || (isTroubled && index < MOST_MARKS), this.#plot);
  }

  #draw() {
    const dots = [];
    for (const [name, car] of this.#cars) {
      const { spot, condition, mark } = car;
      if (mark === null) dots.push({ name, href: carHash(name), color: condition, spot });
      else this.#plot.put(mark.element, spot);
    }
    this.#plot.showDots(dots);
  }

  /** @param {string} name */
  #drive(name) {
    const position = this.#fleet.cars.get(name)?.position ?? null;
    if (position === null) return;
    const car = this.#cars.get(name);
    if (car === undefined) {
      if (!this.#making.pending.includes(name)) this.#making.start([...this.#making.pending, name]);
      return;
    }
    car.drive(position);
    // What the list says of dots is up to date a few seconds later.
    if (car.mark === null) return;
    car.showTrack(this.#plot);
    this.#show(name, this.#fleet.now());
  }

  /**
   * @param {string} name
   * @param {number} now
   */
  #show(name, now) {
    const car = this.#fleet.cars.get(name);
    if (car !== undefined) this.#cars.get(name)?.show(car, now);
  }

  #arrange() {
    const order = sorted([...this.#fleet.cars.values()], DEFAULT_SORT, false);
    const cars = order.flatMap(({ car }) => this.#cars.get(car) ?? []);
    reorder(this.#list, cars.map(({ item }) => item));
    this.#sum();
    cars.forEach((car, index) => this.#mark(car, index));
  }

  #sum() {
    const cars = [...this.#fleet.cars.values()];
    this.#found = cars.filter(({ position }) => position !== null).length;
    const others = cars.length - this.#found;
    this.#empty.hidden = this.#found > 0;
    const isMixed = this.#found > 0 && others > 0;
    say(this.#others, isMixed ? `${counted(others, "car")} without a position` : "");
  }

  async #loadTracks() {
    try {
      const signal = AbortSignal.any([this.#gone.signal, AbortSignal.timeout(ANSWER_MS)]);
      const response = await ask("/api/v1/tracks", signal);
      if (!response.ok) return;
      /** @type {TrackView[]} */
      const tracks = await response.json();
      if (this.#gone.signal.aborted) return;
      this.#tracks = new Map(tracks.map((track) => [track.car, track]));
      for (const { car, points } of tracks) {
        this.#cars.get(car)?.start(points);
        this.#cars.get(car)?.showTrack(this.#plot);
      }
      this.#plot.draw();
    } catch {
      // The connection is lost, which the page says; or the page has gone.
    }
  }
}
