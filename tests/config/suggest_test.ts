// The key somebody meant.
import assert from "node:assert/strict";
import { nearestKey } from "../../src/config/suggest.ts";

Deno.test("nearestKey() finds slips of the finger, and nothing else", () => {
  const known = ["mqtt_timeout", "timeout", "mqtt_port", "cars"];
  const cases = {
    mqtt_timout: "mqtt_timeout",
    mqtttimeout: "mqtt_timeout",
    "MQTT-Port": "mqtt_port",
    tiemout: "timeout",
    car: "cars",
    house: undefined,
    "": undefined,
  };
  for (const [key, expected] of Object.entries(cases)) {
    assert.equal(nearestKey(key, known), expected, key);
  }
  assert.equal(nearestKey("t".repeat(100_000), known), undefined);
});
