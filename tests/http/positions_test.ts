// Where cars are, over real HTTP, and what the page may load for its map.
import assert from "node:assert/strict";
import type { CarList } from "../../src/http/api/schemas.ts";
import { FRONT } from "../car/support.ts";
import { settled } from "../support/virtual_clock.ts";
import { eventOf, Fixture, TestGateway } from "./fixture.ts";

const MAP = { latitude: "pose.lat", longitude: "pose.lon" };

Deno.test("GET /api/v1/events tells a position once a second, which cars and tracks have then", async () => {
  await using fixture = (await Fixture.start({ map: MAP })).up();
  const events = await fixture.events();
  const first = await eventOf(events, "fleet");
  assert.deepEqual(first.map, { tiles: "", attribution: "" });
  assert.equal(first.cars[0]?.position, null);
  assert.deepEqual((await fixture.rpc("track.list")).result, []);
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  gateway.status(FRONT, '{"pose":{"lat":50.12345678,"lon":14.5}}');
  await settled();
  const { positions } = await eventOf(
    events,
    "rates",
    ({ positions }) => Object.hasOwn(positions, "car_a"),
  );
  assert.deepEqual(Object.keys(positions), ["car_a"]);
  const position = positions["car_a"];
  assert.deepEqual(
    [position?.latitude, position?.longitude, position?.device],
    [50.123457, 14.5, "7/1/front"],
  );
  const { cars } = await fixture.json<CarList>("/api/v1/cars");
  assert.deepEqual(cars.map((car) => car.position), [position, null]);
  const { result } = await fixture.rpc("track.list");
  assert.deepEqual(result, [{ car: "car_a", points: [[50.123457, 14.5]] }]);
  assert.deepEqual(await fixture.json("/api/v1/tracks"), result);
});

Deno.test("GET / lets a browser load images of this server, and of the tile server if there is one", async () => {
  const sources = async (tiles: string) => {
    await using fixture = await Fixture.start({ map: { tiles } });
    const answer = await fixture.bare("/");
    await answer.body?.cancel();
    const policy = answer.headers.get("content-security-policy") ?? "";
    const others = policy.split("; ").filter((it) => !it.startsWith("img-src"));
    assert.ok(others.every((it) => !it.includes("http")), policy);
    return /img-src ([^;]*)/.exec(policy)?.[1];
  };
  assert.equal(await sources(""), "'self'");
  assert.equal(
    await sources("https://tile.example.org/{z}/{x}/{y}.png"),
    "'self' https://tile.example.org/",
  );
  assert.equal(
    await sources("http://[::1]:8081/maps/osm/{z}/{x}/{y}?key=a"),
    "'self' http://[::1]:8081/maps/osm/",
  );
  assert.equal(
    await sources("https://tiles.example.org/wms/get?x={x}&y={y}&z={z}"),
    "'self' https://tiles.example.org/wms/",
  );
});
