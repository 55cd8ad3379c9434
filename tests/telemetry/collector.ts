// An OpenTelemetry collector: takes OTLP over HTTP, as JSON, and keeps it.
import assert from "node:assert/strict";
import { waitFor } from "../support/wait.ts";

type Attributes = readonly {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number };
}[];

interface Resource {
  readonly attributes: Attributes;
}

export interface SpanData {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Attributes;
  readonly status: { readonly code: number; readonly message?: string };
}

interface Point {
  readonly attributes: Attributes;
  readonly asDouble?: number;
  readonly count?: number;
  readonly sum?: number;
  readonly bucketCounts?: readonly number[];
  readonly explicitBounds?: readonly number[];
}

export interface MetricDatum {
  readonly name: string;
  readonly unit: string;
  readonly sum?: { readonly isMonotonic: boolean; readonly dataPoints: readonly Point[] };
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly histogram?: { readonly dataPoints: readonly Point[] };
}

/** `await using collector = new Collector()`. */
export class Collector implements AsyncDisposable {
  readonly spans: SpanData[] = [];
  /** By request. */
  readonly batches: (readonly MetricDatum[])[] = [];
  readonly resources: Resource[] = [];
  readonly authorizations = new Set<string | null>();
  /** What it answers. */
  status = 200;
  requests = 0;
  /** Answers wait for it. */
  until = Promise.resolve();
  /** Resolves with the first request. */
  readonly begun = Promise.withResolvers<void>();
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    return this.#take(request);
  });

  /** What came last. */
  get metrics(): readonly MetricDatum[] {
    return this.batches.at(-1) ?? [];
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await waitFor(this.#server.shutdown(), "the end of the collector");
  }

  async #take(request: Request): Promise<Response> {
    this.requests++;
    this.begun.resolve();
    await this.until;
    assert.equal(request.method, "POST");
    assert.equal(request.headers.get("content-type"), "application/json");
    assert.equal(request.headers.get("content-encoding"), "gzip");
    this.authorizations.add(request.headers.get("authorization"));
    const unzipped = request.body?.pipeThrough(new DecompressionStream("gzip"));
    const body = await new Response(unzipped ?? null).json();
    if (this.status !== 200) return new Response(null, { status: this.status });
    switch (new URL(request.url).pathname) {
      case "/v1/traces":
        for (const { resource, scopeSpans } of body.resourceSpans) {
          this.resources.push(resource);
          for (const { spans } of scopeSpans) this.spans.push(...spans);
        }
        break;
      case "/v1/metrics":
        for (const { resource, scopeMetrics } of body.resourceMetrics) {
          this.resources.push(resource);
          for (const { metrics } of scopeMetrics) this.batches.push(metrics);
        }
        break;
      default:
        return new Response(null, { status: 404 });
    }
    return Response.json({});
  }
}

/** Attributes by their keys, as texts. */
export function attributesOf({ attributes }: { readonly attributes: Attributes }) {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, String(value.stringValue ?? value.intValue)]),
  );
}
