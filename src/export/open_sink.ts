// Makes a sink of its configuration; what only some kinds need is loaded with the first of them.
import type { SinkConfig } from "../config/mod.ts";
import { MAX_SECRET_BYTES, readText, secretOf } from "../text/mod.ts";
import { FileSink } from "./file_sink.ts";
import type { Sink } from "./sink.ts";
import { WebhookSink } from "./webhook_sink.ts";

/**
 * Makes a sink; connects nothing yet.
 *
 * @throws what reading the secret of a webhook throws
 */
export async function openSink(config: SinkConfig, company: string): Promise<Sink> {
  switch (config.kind) {
    case "file": {
      if (config.format === "ndjson") return new FileSink(config);
      const { ParquetSink } = await import("./parquet_sink.ts");
      return new ParquetSink(config);
    }
    case "webhook": {
      const text = await readText(config.secretFile, { maxBytes: MAX_SECRET_BYTES });
      return new WebhookSink({ ...config, secret: secretOf(text) });
    }
    case "mqtt": {
      const { mqttSink } = await import("./mqtt_sink.ts");
      return mqttSink(config, company);
    }
    case "nats": {
      const { natsSink } = await import("./nats_sink.ts");
      return natsSink(config, company);
    }
  }
}
