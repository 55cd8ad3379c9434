// The key that a typo meant.
import assert from "node:assert/strict";
import { nearestKey } from "../../src/text/suggest.ts";

Deno.test("nearestKey() finds typos, and nothing else", () => {
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

Deno.test("nearestKey() recognizes a key by its beginning, with one typo at most", () => {
  const known = [
    "company_name",
    "log_files_to_keep",
    "log_files_directory",
    "mqtt_port",
    "mqtt_timeout",
    "sleep_duration_after_connection_refused",
    "specific_modules",
    "timeout",
  ];
  const cases = {
    specfic: "specific_modules",
    specific: "specific_modules",
    SpecificModul: "specific_modules",
    company: "company_name",
    comapny: "company_name",
    sleep: "sleep_duration_after_connection_refused",
    // Too many letters are wrong, or too few are right.
    spcfc: undefined,
    special: undefined,
    slaep: undefined,
    spe: undefined,
    status: undefined,
    // Two keys begin so; a whole key is nearer than any beginning.
    log_files: undefined,
    mqtt: undefined,
    mqtt_time: "mqtt_timeout",
    timeouts: "timeout",
  };
  for (const [key, expected] of Object.entries(cases)) {
    assert.equal(nearestKey(key, known), expected, key);
  }
});
