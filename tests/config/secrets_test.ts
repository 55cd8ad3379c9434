// What must never be shown.
import assert from "node:assert/strict";
import { isSecretKey, maskText, maskValue, secretValues } from "../../src/text/secrets.ts";
import { failure, lines, withModuleConfig } from "./support.ts";

Deno.test("isSecretKey() knows secrets by their names [CONFIG-SECRETS]", () => {
  const secret =
    "api_key apiKey API-KEY apikey password mqtt_password dbPassword passwd pwd token " +
    "access_token refreshToken secret client_secret credentials private.key Authorization auth jwt " +
    "passphrase key mqttpassword2 connection_string connectionString dsn sas hmac salt session cert";
  for (const key of secret.split(" ")) assert.equal(isSecretKey(key), true, key);
  const open = "api_url max_requests company_name author keyboard monkey key_file password_file " +
    "pinned compass timeout session_timeout cert_file salt_length";
  for (const key of open.split(" ")) assert.equal(isSecretKey(key), false, key);
});

Deno.test("maskText() masks secrets inside strings", () => {
  const cases = {
    "plain text": "plain text",
    "https://host/path?a=1&b=2": "https://host/path?a=1&b=2",
    "https://host/?api_key=abc&b=2": "https://host/?api_key=***&b=2",
    "amqp://me:pw@host/x": "amqp://***@host/x",
    "Server=a;Password=b?c;User=d": "Server=a;Password=***;User=d",
    '{"token": "abc", "n": 1}': '{"token": "***", "n": 1}',
    "Bearer abc.def": "Bearer ***",
    "password=": "password=",
    "password=token=abc x": "password=*** x",
  };
  for (const [text, expected] of Object.entries(cases)) assert.equal(maskText(text), expected);
});

Deno.test("maskText() takes long words in linear time", () => {
  const word = "a".repeat(1_000_000);
  assert.equal(maskText(word), word);
});

Deno.test("maskValue() hides the values of secret keys", () => {
  assert.equal(maskValue("api_key", "abc"), "***");
  assert.equal(maskValue("api_url", "http://a:b@c"), "http://***@c");
});

Deno.test("maskValue() hides what is not known to be harmless", () => {
  const values: [key: string, value: string, shown: string][] = [
    ["connection_string", "Server=a;Uid=b", "***"],
    ["salt", "a1", "***"],
    ["fleet_code", "hunter2", "***"],
    ["notes", '{"a": 1}', "***"],
    ["", "hunter2", "***"],
    ["account", "1234", "***"],
    ["fleet_code", "123", "123"],
    ["dry_run", "false", "false"],
    ["auth", "true", "***"],
    ["car_name", "car_1", "car_1"],
    ["max_requests", "5000", "5000"],
    ["session_timeout", "5000", "5000"],
    ["cert_file", "/etc/cert.pem", "/etc/cert.pem"],
    ["api_url", "http://host:8080/v2/protocol", "http://host:8080/v2/protocol"],
    ["url", "https://h/container?sv=1&code=abc", "https://h/container?***"],
    ["url", "https://h/services/T0B1/Zx81kPq02mXc7wq9#frag", "https://h/services/T0B1/***#***"],
    ["topic", "fleet?x=1", "fleet?x=1"],
  ];
  for (const [key, value, shown] of values) assert.equal(maskValue(key, value), shown, key);
});

Deno.test("secretValues() has what a library's output must not show", () => {
  const parameters = Object.entries({
    car_name: "car_1_of_acme",
    password: "abcd",
    pin: "123",
    dsn: "a dsn",
    mode_of_work: "automatic",
    seat: "front-left-7",
    short: "front-7",
    long: "front-77",
    code: "a1b2c3",
    url: "http://host:8080/",
  });
  assert.deepEqual(secretValues(parameters), ["front-left-7", "front-77", "a dsn", "abcd"]);
});

Deno.test("ConfigError shows no secret of a module's config [CONFIG-SECRETS]", () => {
  const error = failure(withModuleConfig({
    api_key: ["hunter2"],
    password: null,
    nested: { token: "hunter2" },
  }));
  assert.deepEqual(lines(error.problems), [
    "common_modules.7.config.api_key: Expected a string, a number, true or false: found a list",
    "common_modules.7.config.password: Expected a string, a number, true or false: found null",
    "common_modules.7.config.nested: Expected a string, a number, true or false: found an object",
  ]);
  const pasted = failure(withModuleConfig("password hunter2"));
  assert.deepEqual(lines(pasted.problems), [
    "common_modules.7.config: Expected an object: found a string",
  ]);
  assert.doesNotMatch(String(error.stack) + String(pasted.stack), /hunter2/);
});
