// The JSON Schema of the configuration, written by zod from what the loader reads along.
import * as z from "zod";
import { documentedSchema } from "../dialects/documented.ts";
import { externalSchema } from "../dialects/external.ts";
import { singleCarExternalSchema, singleCarSchema } from "../dialects/single_car.ts";

/** Makes the JSON Schema (2020-12): a document is of one dialect. */
export function configJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(
    z.union([documentedSchema, externalSchema, singleCarSchema, singleCarExternalSchema]),
    { io: "input" },
  );
  return {
    $schema,
    title: "External Server configuration",
    description: "Durations are seconds unless the key ends in _ms; unknown keys are warned of",
    ...schema,
  };
}

/** The schema as text, as it stands in `config/external-server.schema.json`. */
export function configJsonSchemaText(): string {
  return JSON.stringify(configJsonSchema(), null, 2) + "\n";
}
