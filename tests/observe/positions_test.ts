// Where cars are, as their statuses say.
import assert from "node:assert/strict";
import type { SeenStatus } from "../../src/observe/car_record.ts";
import { CarPositions } from "../../src/observe/positions.ts";

const PATHS = { latitude: "latitude", longitude: "longitude" };
const NESTED = { latitude: "gps.fix.1", longitude: "gps.fix.0" };

function status(text: string, at = 1, device = "7/0/gps"): SeenStatus {
  const data = new TextEncoder().encode(text);
  const errorMessage = { data: new Uint8Array(), bytes: 0 };
  return {
    at,
    device,
    state: 1,
    counter: at,
    data: { data, bytes: data.length },
    errorMessage,
    responseMs: null,
  };
}

function at(latitude: number, longitude: number): string {
  return JSON.stringify({ latitude, longitude });
}

Deno.test("CarPositions reads a position where the paths say", () => {
  const read = (text: string, paths = PATHS) => new CarPositions().read([status(text)], paths);
  const found = { latitude: 50.5, longitude: -14.25, at: 1, device: "7/0/gps" };
  assert.deepEqual(read(at(50.5, -14.25)), found);
  assert.deepEqual(read('{"gps":{"fix":[-14.25,50.5]}}', NESTED), found);
  assert.deepEqual(read(at(-90, 180)), { ...found, latitude: -90, longitude: 180 });
});

Deno.test("CarPositions takes nothing for a position that is none", () => {
  const texts = [
    "",
    "[50,14]",
    "{",
    '{"latitude":50}',
    '{"latitude":"50","longitude":"14"}',
    '{"latitude":null,"longitude":14}',
    at(90.1, 14),
    at(50, 180.1),
    at(0, 0),
    '{"latitude":1e999,"longitude":14}',
    '{"constructor":{"length":1}}',
  ];
  for (const text of texts) {
    assert.equal(new CarPositions().read([status(text)], PATHS), undefined, text);
  }
  const inherited = { latitude: "constructor.length", longitude: "constructor.length" };
  assert.equal(new CarPositions().read([status("{}")], inherited), undefined);
  const cut = { ...status(at(50, 14)), data: { ...status(at(50, 14)).data, bytes: 2000 } };
  assert.equal(new CarPositions().read([cut], PATHS), undefined);
});

Deno.test("CarPositions reads each status once, and tells only what was told", () => {
  const positions = new CarPositions();
  const first = status(at(50, 14), 1000);
  assert.notEqual(positions.read([first], PATHS), undefined);
  assert.equal(positions.read([first], PATHS), undefined);
  assert.equal(positions.read([first, status("{}", 2000, "7/0/lamp")], PATHS), undefined);
  const same = status(at(50, 14), 3000);
  assert.equal(positions.read([same], PATHS)?.at, 3000);
});

Deno.test("CarPositions believes one device, until it has been silent for 10 s", () => {
  const positions = new CarPositions();
  const device = (ms: number) => positions.read([status(at(1, 1), ms, "7/0/other")], PATHS)?.device;
  positions.read([status(at(50, 14), 1000)], PATHS);
  assert.equal(device(10_999), undefined);
  assert.equal(device(11_000), "7/0/other");
});

Deno.test("CarPositions keeps a point each 10 s while the car drives, 30 at most", () => {
  const positions = new CarPositions();
  for (let second = 0; second < 1000; second++) {
    positions.read([status(at(second / 100, 14), second * 1000)], PATHS);
  }
  const latitudes = positions.track().map(({ latitude }) => latitude);
  assert.equal(latitudes.length, 30);
  assert.equal(latitudes.at(-1), 9.9);
  assert.equal(latitudes.at(-2), 9.8);
  // A car that stands leaves no track.
  positions.read([status(at(9.99, 14), 2_000_000)], PATHS);
  assert.equal(positions.track().at(-1)?.latitude, 9.9);
});
