// Where positions of cars are found, and the server of map tiles: `map`.
import assert from "node:assert/strict";
import { documented, failure, lines, load } from "./support.ts";

Deno.test("map takes a path and the address of tiles", () => {
  const tiles = "https://tile.example.org/{z}/{x}/{y}.png?key=a";
  const { config } = load(documented({ map: { latitude: "gps.0.lat", tiles } }));
  assert.deepEqual(config.map, {
    latitude: "gps.0.lat",
    longitude: "longitude",
    tiles,
    attribution: "",
  });
});

Deno.test("map refuses an address of tiles that would open the page to more than tiles", () => {
  const addresses = [
    "ftp://tile.example.org/{z}/{x}/{y}.png",
    "https://{z}.example.org/{x}/{y}.png",
    "https://tile.example.org/{z}/{x}.png",
    "https://tile.example.org/a; script-src */{z}/{x}/{y}.png",
    "https://tile.example.org/a;script-src/{z}/{x}/{y}.png",
    "https://tile.example.org/a'b/{z}/{x}/{y}.png",
    "https://me:secret@tile.example.org/{z}/{x}/{y}.png",
    "https://[/{z}/{x}/{y}.png",
    "/tiles/{z}/{x}/{y}.png",
  ];
  for (const tiles of addresses) {
    const [problem, ...others] = lines(failure(documented({ map: { tiles } })).problems);
    assert.match(problem ?? "", /^map\.tiles: Expected a URL that begins with .* an empty string/);
    assert.deepEqual(others, []);
  }
});

Deno.test("map refuses a path without a name", () => {
  for (const latitude of ["", ".", "a..b", "a.", "a b"]) {
    const [problem] = lines(failure(documented({ map: { latitude } })).problems);
    assert.match(problem ?? "", /^map\.latitude: Expected names parted by dots/);
  }
});
