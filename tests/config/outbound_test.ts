// Where the server sends what others collect: `opentelemetry` and `webhook`.
import assert from "node:assert/strict";
import { documented, failure, lines, load } from "./support.ts";

const SECRET = "a-secret-that-is-long-enough";

Deno.test("opentelemetry has defaults, and no slash at the end", () => {
  assert.equal(load(documented({})).config.opentelemetry, undefined);
  const { config, warnings } = load(
    documented({ opentelemetry: { endpoint: "http://127.0.0.1:4318/" } }),
  );
  assert.deepEqual(config.opentelemetry, {
    endpoint: "http://127.0.0.1:4318",
    metricsIntervalMs: 60_000,
    traceRatio: 0.01,
  });
  assert.deepEqual(warnings, []);
});

Deno.test("opentelemetry and webhook take their secret from the document", () => {
  const { config, warnings } = load(documented({
    opentelemetry: {
      endpoint: "https://otel.example/otlp",
      authorization: `Bearer ${SECRET}`,
      metrics_interval: 0,
      trace_ratio: 1,
    },
    webhook: { url: "http://127.0.0.1:9/hook", secret: SECRET },
  }));
  assert.deepEqual(config.opentelemetry, {
    endpoint: "https://otel.example/otlp",
    authorization: `Bearer ${SECRET}`,
    metricsIntervalMs: 0,
    traceRatio: 1,
  });
  assert.deepEqual(config.webhook, { url: "http://127.0.0.1:9/hook", secret: SECRET });
  assert.deepEqual(warnings, []);
});

Deno.test("opentelemetry and webhook warn of what is sent in clear text, and of short secrets", () => {
  const { warnings } = load(documented({
    opentelemetry: { endpoint: "http://otel.example:4318", authorization: "Bearer x" },
    webhook: { url: "http://hook.example/", secret: "short" },
  }));
  assert.deepEqual(lines(warnings), [
    "opentelemetry.endpoint: The authorization is sent over the network in clear text: the URL begins with http://",
    "webhook.secret: The secret is easy to guess: it has fewer than 16 characters",
    "webhook.url: The incidents are sent over the network in clear text: the URL begins with http://",
  ]);
});

const URL_EXPECTED =
  "a URL that begins with http:// or https://, without a login, a query or spaces";

/** A section, and what is wrong with it. */
const WRONG: readonly (readonly [section: Record<string, unknown>, problems: readonly RegExp[]])[] =
  [
    [{ opentelemetry: {} }, [/^opentelemetry\.endpoint: Expected a URL .*: found nothing$/]],
    [{ opentelemetry: { endpoint: "127.0.0.1:4318" } }, [
      /^opentelemetry\.endpoint: Expected a URL/,
    ]],
    [{ opentelemetry: { endpoint: "http://[" } }, [/^opentelemetry\.endpoint: Expected a URL/]],
    [{ opentelemetry: { endpoint: "http://me:pw@host" } }, [new RegExp(URL_EXPECTED)]],
    [
      { opentelemetry: { endpoint: "http://host", trace_ratio: 2 } },
      [/^opentelemetry\.trace_ratio: Expected a number from 0 to 1/],
    ],
    [
      { opentelemetry: { endpoint: "http://host", authorization: "a\nb" } },
      [/^opentelemetry\.authorization: Expected printable ASCII/],
    ],
    [
      { opentelemetry: { endpoint: "http://host", authorization: "a", authorization_file: "b" } },
      [/^opentelemetry\.authorization_file: Expected either "authorization" or "authorization_file"/],
    ],
    [{ webhook: { url: "http://host" } }, [
      /^webhook\.secret: Expected a secret .*: found nothing$/,
    ]],
    [{ webhook: { secret: SECRET } }, [/^webhook\.url: Expected a URL/]],
    [
      { webhook: { url: "http://host", secret_file: "/nowhere/secret" } },
      [/^webhook\.secret_file: /],
    ],
  ];

for (const [section, problems] of WRONG) {
  Deno.test(`${JSON.stringify(section)} is refused, with the place`, () => {
    const found = lines(failure(documented(section)).problems);
    assert.equal(found.length, problems.length, found.join("\n"));
    for (const [index, problem] of problems.entries()) assert.match(found[index] ?? "", problem);
  });
}
