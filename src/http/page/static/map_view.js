// @ts-check
// Where positions are on a map: the Web Mercator projection, which map tiles use as well.

/**
 * @typedef {{x: number, y: number}} Spot the world is a square of length 1, its corner northwest
 * @typedef {{width: number, height: number}} Size in pixels
 * @typedef {{x: number, y: number, scale: number}} View the spot in the middle; pixels of the world
 * @typedef {{key: string, x: number, y: number, z: number, left: number, top: number, width: number}} Tile
 */

const EARTH_M = 40_075_016.686;
/** The projection ends here, in degrees. */
const MOST_NORTH = 85.0511;
const TILE = 256;
const MOST_ZOOM = 19;
/** From the whole world to a parking lot. */
const SCALES = { least: TILE / 2, most: TILE * 2 ** 22 };
/** Room at the edge for names of cars, and for the buttons, in pixels. */
const MARGIN = { x: 72, y: 48 };
/** What is shown of a car alone, in meters. */
const LEAST_M = 300;
/** Pixels that the bar of the scale has at most. */
const LONGEST_BAR = 140;

/**
 * @param {number} latitude
 * @param {number} longitude
 * @returns {Spot}
 */
export function project(latitude, longitude) {
  const sin = Math.sin(clamp(latitude, -MOST_NORTH, MOST_NORTH) * Math.PI / 180);
  const y = 0.5 - Math.log((1 + sin) / (1 - sin)) / (4 * Math.PI);
  return { x: longitude / 360 + 0.5, y };
}

/**
 * How long the world is at a spot, in meters.
 *
 * @param {number} y
 */
export function metersAt(y) {
  return EARTH_M / Math.cosh(Math.PI * (1 - 2 * y));
}

/**
 * The view that has all spots, the middle of the world if there are none.
 *
 * @param {readonly Spot[]} spots
 * @param {Size} size
 * @returns {View}
 */
export function fit(spots, { width, height }) {
  if (spots.length === 0) return { x: 0.5, y: 0.5, scale: SCALES.least };
  const [left, right] = rangeOf(spots.map(({ x }) => x));
  const [top, bottom] = rangeOf(spots.map(({ y }) => y));
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  const least = LEAST_M / metersAt(y);
  const scale = Math.min(
    Math.max(1, width - 2 * MARGIN.x) / Math.max(right - left, least),
    Math.max(1, height - 2 * MARGIN.y) / Math.max(bottom - top, least),
  );
  return { x, y, scale: clamp(scale, SCALES.least, SCALES.most) };
}

/**
 * Where a spot is, in pixels from the upper left corner.
 *
 * @param {Spot} spot
 * @param {View} view
 * @param {Size} size
 */
export function place(spot, view, { width, height }) {
  return {
    left: (spot.x - view.x) * view.scale + width / 2,
    top: (spot.y - view.y) * view.scale + height / 2,
  };
}

/**
 * Moved by pixels.
 *
 * @param {View} view
 * @param {number} right
 * @param {number} down
 * @returns {View}
 */
export function moved(view, right, down) {
  return {
    ...view,
    x: clamp(view.x + right / view.scale, 0, 1),
    y: clamp(view.y + down / view.scale, 0, 1),
  };
}

/**
 * Larger by a factor around a point, in pixels from the middle, which stays where it is.
 *
 * @param {View} view
 * @param {number} factor
 * @param {number} [right]
 * @param {number} [down]
 * @returns {View}
 */
export function zoomed(view, factor, right = 0, down = 0) {
  const scale = clamp(view.scale * factor, SCALES.least, SCALES.most);
  const stays = moved(view, right, down);
  return moved({ ...stays, scale }, -right, -down);
}

/**
 * The bar of the scale: a round number of meters.
 *
 * @param {View} view
 */
export function barOf({ y, scale }) {
  const longest = LONGEST_BAR * metersAt(y) / scale;
  const power = 10 ** Math.floor(Math.log10(longest));
  const meters = ([5, 2].find((digit) => digit * power <= longest) ?? 1) * power;
  return { meters, width: meters / metersAt(y) * scale };
}

/**
 * A grid as wide as the bar of the scale, fixed to the ground.
 *
 * @param {View} view
 * @param {Size} size
 * @returns {string} for the attribute `d` of a path
 */
export function gridPath(view, size) {
  const step = barOf(view).width;
  const origin = place({ x: 0, y: 0 }, view, size);
  let path = "";
  for (let x = ((origin.left % step) + step) % step; x < size.width; x += step) {
    path += `M${x.toFixed(1)} 0V${size.height}`;
  }
  for (let y = ((origin.top % step) + step) % step; y < size.height; y += step) {
    path += `M0 ${y.toFixed(1)}H${size.width}`;
  }
  return path;
}

/**
 * The tiles that cover a view.
 *
 * @param {View} view
 * @param {Size} size
 * @returns {Tile[]}
 */
export function tilesOf(view, size) {
  const z = clamp(Math.round(Math.log2(view.scale / TILE)), 0, MOST_ZOOM);
  const count = 2 ** z;
  const width = view.scale / count;
  const origin = place({ x: 0, y: 0 }, view, size);
  const first = { x: Math.floor(-origin.left / width), y: Math.floor(-origin.top / width) };
  const tiles = [];
  for (let y = Math.max(0, first.y); y < count && origin.top + y * width < size.height; y++) {
    for (let x = Math.max(0, first.x); x < count && origin.left + x * width < size.width; x++) {
      const [left, top] = [origin.left + x * width, origin.top + y * width];
      tiles.push({ key: `${z}/${x}/${y}`, x, y, z, left, top, width });
    }
  }
  return tiles;
}

/**
 * A length as text: `200 m`, `5 km`.
 *
 * @param {number} meters
 */
export function formatMeters(meters) {
  return meters < 1000 ? `${meters}\u00a0m` : `${meters / 1000}\u00a0km`;
}

/** @param {readonly number[]} values */
function rangeOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return /** @type {const} */ ([low, high]);
}

/**
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
