// @ts-check
/// <reference lib="dom" />
// A map that is moved and zoomed by touch, mouse and keyboard: a grid or tiles, tracks, and marks.
import { keepChildren, make, makeSvg, say, setAttribute } from "./dom.js";
import { listenToGestures, ZOOM } from "./map_gestures.js";
import {
  barOf,
  fit,
  formatMeters,
  gridPath,
  metersAt,
  moved,
  place,
  project,
  tilesOf,
  zoomed,
} from "./map_view.js";

/** @typedef {import("./map_view.js").Spot} Spot */
/** @typedef {{name: string, href: string, color: string, spot: Spot}} Dot */

/** A view that is so many times as wide as it has to be is drawn anew. */
const WIDE = 4;
/** Pixels from a dot that still mean it. */
const NEAR = 16;

/** The map. Whoever can see no map has the list beside it. */
export class MapPlot {
  #tiles;
  #onDraw;
  /** Cars that are only dots. @type {readonly Dot[]} */
  #dots = [];
  /** Dots of each color: one path, as hundreds of elements that move would keep a phone busy. */
  #paths = /** @type {Map<string, SVGPathElement>} */ (new Map());
  #hover = make("span", { class: "hover", hidden: true });
  /** Where the dot leads that one points at. @type {string | null} */
  #pointed = null;
  /** @type {import("./map_view.js").View} */
  #view = fit([], { width: 1, height: 1 });
  #size = { width: 0, height: 0 };
  /** What all have to be in view; none once the user has moved the map. @type {() => readonly Spot[]} */
  #spots;
  #follows = true;
  /** Tracks are drawn in meters from here, as numbers of SVG have few digits. @type {Spot | null} */
  #origin = null;
  #drawing = 0;
  #images = make("div", { class: "map-tiles", "aria-hidden": "true" });
  #grid = makeSvg("path", { class: "grid" });
  #tracks = makeSvg("g", { class: "tracks" });
  #dotted = makeSvg("g", { class: "dots" });
  #marks = make("div", { class: "marks", "aria-hidden": "true" });
  #bar = make("span", { class: "bar" });
  #area;
  #resized = new ResizeObserver(() => this.#resize());
  element;

  /**
   * @param {object} options
   * @param {{tiles: string, attribution: string}} options.map
   * @param {() => readonly Spot[]} options.spots what is to be in view
   * @param {() => void} options.onDraw called to place the marks
   */
  constructor({ map: { tiles, attribution }, spots, onDraw }) {
    this.#tiles = tiles;
    this.#spots = spots;
    this.#onDraw = onDraw;
    const help = "Arrow keys move the map, plus and minus zoom, Home shows all cars.";
    const svg = makeSvg("svg", { "aria-hidden": "true" }, this.#grid, this.#tracks, this.#dotted);
    this.#area = make(
      "div",
      { class: "map-area", tabindex: "0", role: "group", "aria-label": `Map. ${help}` },
      this.#images,
      svg,
      this.#marks,
    );
    this.#marks.append(this.#hover);
    const button = (/** @type {string} */ label, /** @type {string} */ text) =>
      make("button", { type: "button", "aria-label": label, title: label }, text);
    const [closer, farther, all] = [
      button("Zoom in", "+"),
      button("Zoom out", "\u2212"),
      button("Show all cars", "All"),
    ];
    closer.addEventListener("click", () => this.#zoom(ZOOM));
    farther.addEventListener("click", () => this.#zoom(1 / ZOOM));
    all.addEventListener("click", () => this.showAll());
    this.element = make(
      "div",
      { class: "map-plot" },
      this.#area,
      make("div", { class: "map-buttons" }, closer, farther, all),
      make("p", { class: "map-scale" }, this.#bar),
      make("p", { class: "map-source", hidden: attribution === "" }, attribution),
    );
    listenToGestures(this.#area, {
      move: (right, down) => this.#move(right, down),
      zoom: (factor, right, down) => this.#zoom(factor, right, down),
      showAll: () => this.showAll(),
      point: (event) => this.#point(event),
      open: (event) => this.#open(event),
    });
    this.#resized.observe(this.#area);
  }

  stop() {
    this.#resized.disconnect();
    cancelAnimationFrame(this.#drawing);
  }

  /** Shows all cars, and follows them. */
  showAll() {
    this.#follows = true;
    this.#view = fit(this.#spots(), this.#size);
    this.draw();
  }

  /** @param {Spot} spot */
  center(spot) {
    this.#follows = false;
    const close = fit([spot], this.#size);
    this.#view = { ...close, scale: Math.max(this.#view.scale, close.scale / 2) };
    this.draw();
  }

  /**
   * @param {HTMLElement} mark
   * @param {SVGElement} line its track
   */
  add(mark, line) {
    this.#marks.append(mark);
    this.#tracks.append(line);
  }

  /**
   * @param {HTMLElement} mark
   * @param {Spot} spot
   */
  put(mark, spot) {
    const { left, top } = place(spot, this.#view, this.#size);
    // A transform would make each mark a layer of its own, which costs more than its layout.
    mark.style.left = `${left.toFixed(1)}px`;
    mark.style.top = `${top.toFixed(1)}px`;
  }

  /**
   * Cars that are only dots, whose name comes when one points at them.
   *
   * @param {readonly Dot[]} dots
   */
  showDots(dots) {
    this.#dots = dots;
    /** @type {Map<string, string>} */
    const paths = new Map([...this.#paths.keys()].map((color) => [color, ""]));
    for (const { color, spot } of dots) {
      const { left, top } = place(spot, this.#view, this.#size);
      const path = paths.get(color) ?? "";
      paths.set(color, `${path}M${left.toFixed(1)} ${top.toFixed(1)}h0`);
    }
    for (const [color, path] of paths) {
      let element = this.#paths.get(color);
      if (element === undefined) {
        element = makeSvg("path", { "data-condition": color });
        this.#paths.set(color, element);
        this.#dotted.append(element);
      }
      setAttribute(element, "d", path);
    }
  }

  /**
   * A finger does not hover: its first touch names the dot, the second one opens it.
   *
   * @param {MouseEvent} event
   */
  #open(event) {
    const before = this.#pointed;
    this.#point(event);
    if (this.#pointed !== null && this.#pointed === before) location.hash = this.#pointed;
  }

  /** @param {MouseEvent} event */
  #point({ clientX, clientY }) {
    const { left, top } = this.#area.getBoundingClientRect();
    const far = (/** @type {Spot} */ spot) => {
      const at = place(spot, this.#view, this.#size);
      return Math.hypot(at.left - clientX + left, at.top - clientY + top);
    };
    let nearest = null;
    let distance = NEAR;
    for (const dot of this.#dots) {
      const now = far(dot.spot);
      if (now < distance) [nearest, distance] = [dot, now];
    }
    this.#hover.hidden = nearest === null;
    this.#pointed = nearest?.href ?? null;
    if (nearest === null) return;
    say(this.#hover, nearest.name);
    this.put(this.#hover, nearest.spot);
  }

  /**
   * A line to draw tracks with.
   *
   * @param {readonly (readonly number[])[]} points latitude and longitude
   */
  track(points) {
    const spots = points.map(([latitude = 0, longitude = 0]) => project(latitude, longitude));
    const origin = this.#origin ??= spots[0] ?? null;
    const meters = origin === null ? 0 : metersAt(origin.y);
    const path = spots.map(({ x, y }) =>
      `${((x - (origin?.x ?? 0)) * meters).toFixed(1)} ${
        ((y - (origin?.y ?? 0)) * meters).toFixed(1)
      }`
    );
    return path.length < 2 ? "" : `M${path.join("L")}`;
  }

  /** Draws in the next frame, however often it is called until then. */
  draw() {
    cancelAnimationFrame(this.#drawing);
    this.#drawing = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    if (this.#size.width === 0) return;
    // Cars that leave the view are followed, unless the user looks elsewhere.
    if (this.#follows) {
      const spots = this.#spots();
      const whole = fit(spots, this.#size);
      const isOut = spots.some((spot) => {
        const { left, top } = place(spot, this.#view, this.#size);
        return left < 8 || top < 8 || left > this.#size.width - 8 || top > this.#size.height - 8;
      });
      if (isOut || this.#view.scale < whole.scale / WIDE) this.#view = whole;
    }
    const view = this.#view;
    const bar = barOf(view);
    say(this.#bar, formatMeters(bar.meters));
    this.#bar.style.width = `${bar.width.toFixed(1)}px`;
    if (this.#tiles === "") setAttribute(this.#grid, "d", gridPath(view, this.#size));
    else this.#showTiles();
    if (this.#origin !== null) {
      const { left, top } = place(this.#origin, view, this.#size);
      const scale = view.scale / metersAt(this.#origin.y);
      setAttribute(this.#tracks, "transform", `translate(${left} ${top}) scale(${scale})`);
    }
    this.#onDraw();
  }

  #showTiles() {
    const tiles = tilesOf(this.#view, this.#size);
    keepChildren(this.#images, tiles, ({ key }) => key, ({ x, y, z }) => {
      const src = this.#tiles.replaceAll("{z}", String(z)).replaceAll("{x}", String(x))
        .replaceAll("{y}", String(y));
      // Tile servers want to know which site asks, not which page.
      return make("img", { src, alt: "", referrerpolicy: "strict-origin", draggable: "false" });
    });
    tiles.forEach(({ left, top, width }, index) => {
      const { style } = /** @type {HTMLElement} */ (this.#images.children[index]);
      style.left = `${left.toFixed(1)}px`;
      style.top = `${top.toFixed(1)}px`;
      style.width = `${(width + 0.5).toFixed(1)}px`;
    });
  }

  #resize() {
    const { width, height } = this.#area.getBoundingClientRect();
    this.#size = { width, height };
    if (this.#follows) this.showAll();
    else this.draw();
  }

  /**
   * @param {number} factor
   * @param {number} [right]
   * @param {number} [down]
   */
  #zoom(factor, right, down) {
    this.#follows = false;
    this.#view = zoomed(this.#view, factor, right, down);
    this.draw();
  }

  /**
   * @param {number} right
   * @param {number} down
   */
  #move(right, down) {
    this.#follows = false;
    this.#view = moved(this.#view, right, down);
    this.draw();
  }
}
