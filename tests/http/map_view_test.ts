// Where positions are on the map.
import assert from "node:assert/strict";
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
} from "../../src/http/page/static/map_view.js";

const SIZE = { width: 800, height: 600 };

Deno.test("project() is the Web Mercator projection, whose tiles are numbered from the northwest", () => {
  assert.deepEqual(project(0, 0), { x: 0.5, y: 0.5 });
  assert.ok(Math.abs(project(85.0511, -180).y) < 1e-6);
  assert.equal(project(89, 0).y, project(85.0511, 0).y);
  // The tile of a place in Prague, as map servers number it.
  const { x, y } = project(50.0875, 14.4214);
  assert.deepEqual([Math.floor(x * 2 ** 14), Math.floor(y * 2 ** 14)], [8848, 5550]);
});

Deno.test("metersAt() is the earth's girth at the equator, and half of it at 60 degrees", () => {
  assert.ok(Math.abs(metersAt(0.5) - 40_075_016.686) < 1);
  assert.ok(Math.abs(metersAt(project(60, 0).y) / metersAt(0.5) - 0.5) < 1e-9);
});

Deno.test("fit() has all spots in view, with room for names", () => {
  const spots = [project(50, 14), project(50.01, 14.02), project(49.99, 14.05)];
  const view = fit(spots, SIZE);
  for (const spot of spots) {
    const { left, top } = place(spot, view, SIZE);
    assert.ok(left >= 71.9 && left <= 728.1 && top >= 47.9 && top <= 552.1, `${left} ${top}`);
  }
  // One car alone is not as large as the window.
  assert.ok(barOf(fit([project(50, 14)], SIZE)).meters >= 20);
  assert.ok(Number.isFinite(fit(spots, { width: 0, height: 0 }).scale));
  assert.deepEqual(fit([], SIZE), { x: 0.5, y: 0.5, scale: 128 });
});

Deno.test("zoomed() keeps the point under the finger, and moved() moves by pixels", () => {
  const view = fit([project(50, 14)], SIZE);
  const spot = { x: view.x + 100 / view.scale, y: view.y - 50 / view.scale };
  const [before, after] = [view, zoomed(view, 2, 100, -50)].map((it) => place(spot, it, SIZE));
  assert.ok(Math.abs((before?.left ?? 0) - (after?.left ?? 1)) < 1e-6);
  assert.ok(Math.abs((before?.top ?? 0) - (after?.top ?? 1)) < 1e-6);
  const { left, top } = place(view, moved(view, 30, -20), SIZE);
  assert.deepEqual([Math.round(left), Math.round(top)], [370, 320]);
  assert.equal(zoomed(view, 1e9).scale, 256 * 2 ** 22);
});

Deno.test("barOf() is a round length that the grid repeats", () => {
  for (const factor of [1, 0.3, 0.1, 0.01, 1e-4]) {
    const view = zoomed(fit([project(50, 14)], SIZE), factor);
    const { meters, width } = barOf(view);
    assert.match(String(meters), /^[125]0*$/);
    assert.ok(width > 50 && width <= 140, `${width}`);
    assert.ok(Math.abs(width - meters / metersAt(view.y) * view.scale) < 1e-6);
    const lines = gridPath(view, SIZE).match(/V/g)?.length ?? 0;
    assert.ok(Math.abs(lines - SIZE.width / width) <= 1);
  }
  assert.equal(formatMeters(200), "200\u00a0m");
  assert.equal(formatMeters(5000), "5\u00a0km");
});

Deno.test("tilesOf() covers the view, with tiles near their own size", () => {
  const view = fit([project(50, 14)], SIZE);
  const tiles = tilesOf(view, SIZE);
  assert.equal(new Set(tiles.map(({ key }) => key)).size, tiles.length);
  for (const { width } of tiles) assert.ok(width > 180 && width < 363, `${width}`);
  const covers = (x: number, y: number) =>
    tiles.some(({ left, top, width }) =>
      left <= x && x <= left + width && top <= y && y <= top + width
    );
  for (const x of [0, 400, 800]) for (const y of [0, 300, 600]) assert.ok(covers(x, y));
  // The world ends at its poles, and tiles are not asked for beyond it.
  for (const { x, y, z } of tilesOf({ x: 0, y: 0, scale: 512 }, SIZE)) {
    assert.ok(x >= 0 && y >= 0 && x < 2 ** z && y < 2 ** z);
  }
});
