// The keys of cars and their modules, of each dialect.
import * as z from "zod";
import * as field from "./fields.ts";
import { key, objectOf, optionalSection } from "./key.ts";
import type { ScriptPermissions } from "../../script/mod.ts";
import { type ModuleConfig, SUPERSEDE_BY } from "../resolve/config.ts";

/** The keys of one module of a car; a change replaces the contexts of that car only. */
export const MODULE = {
  lib_path: key(field.filledText("the path of a shared library or script"), {
    doc:
      "Shared library of the module, or its .ts, .mts, .js or .mjs file; a relative path is looked up from the working directory, then from the folder of this file",
    takes: "contexts",
    of: ({ libPath }: ModuleConfig) => libPath,
  }),
  config: key(z.record(z.string(), field.moduleValue()).optional(), {
    doc:
      "What the module's init gets after company_name and car_name, as text; these two keys may be overridden here",
    takes: "contexts",
    of: ({ parameters }: ModuleConfig) => Object.fromEntries(parameters),
  }),
  timeout_ms: key(field.wholeMilliseconds().default(1000), {
    doc:
      "Timeout that wait_for_command is called with; 0: it is polled, less and less often, down to once a second",
    takes: "contexts",
    unit: "ms",
    of: ({ waitTimeoutMs }: ModuleConfig) => waitTimeoutMs,
  }),
  permissions: optionalSection(
    undefined,
    "What a module in TypeScript or JavaScript may do, nothing by default; a shared library may do everything",
    {
      net: granted(field.names("hosts, each with a port or without"), "net", "Hosts to connect to"),
      read: granted(
        field.names("paths"),
        "read",
        "Files and folders to read; relative paths are looked up from the working directory",
      ),
      write: granted(field.names("paths"), "write", "Files and folders to write, likewise"),
      env: granted(field.names("environment variables"), "env", "Environment variables to read"),
    },
  ),
  command_policy: optionalSection(
    undefined,
    "What becomes of the module's commands while they wait for the car; when absent, nothing that the protocol does not say",
    {
      ttl_s: key(field.seconds().optional(), {
        doc: "A command that its module gave so long ago is not sent any more: it expires",
        takes: "at_once",
        unit: "s",
        of: ({ commandPolicy }: ModuleConfig) => {
          const { ttlMs = null } = commandPolicy ?? {};
          return ttlMs === null ? undefined : ttlMs / 1000;
        },
      }),
      supersede: key(field.word(SUPERSEDE_BY).optional(), {
        doc:
          "A newer command takes the place of one that is not sent yet: of the same device, or of the same device with the same value of supersede_field",
        takes: "at_once",
        of: ({ commandPolicy }: ModuleConfig) => {
          const path = commandPolicy?.supersede ?? undefined;
          return path && (path.length === 0 ? "device" : "field");
        },
      }),
      supersede_field: key(field.jsonPath().optional(), {
        doc: "Path of a string, a number, true or false in the JSON of commands",
        takes: "at_once",
        of: ({ commandPolicy }: ModuleConfig) => commandPolicy?.supersede?.join(".") || undefined,
      }),
      redeliver: key(field.count(0).default(0), {
        doc:
          "How often a command is sent again, in the next session, that had no response when its session ended; requires ttl_s",
        takes: "at_once",
        of: ({ commandPolicy }: ModuleConfig) => commandPolicy?.redeliver,
      }),
    },
  ),
};

function granted<S extends z.ZodType>(schema: S, name: keyof ScriptPermissions, doc: string) {
  return key(schema.optional(), {
    doc,
    takes: "contexts",
    of: ({ permissions }: ModuleConfig) => permissions?.[name],
  });
}

/** Modules by id; how an id is written is checked where modules are resolved. */
export const modulesSchema = z.record(z.string(), objectOf(MODULE))
  .meta({ id: "modules", propertyNames: { pattern: "^0*[1-9][0-9]{0,9}$" } });

const CAR = {
  specific_modules: key(modulesSchema.optional(), {
    doc: "Modules of this car only, by id",
    takes: "contexts",
  }),
  labels: key(field.names("labels").optional(), {
    doc: "What a configuration that is pulled chooses the cars by that try it first",
    takes: "nothing",
  }),
};

/** The cars and their modules, in dialects A and B. */
export const FLEET = {
  common_modules: key(modulesSchema.optional(), {
    doc: "Modules of every car, by id",
    takes: "contexts",
  }),
  cars: key(
    z.record(z.string(), objectOf(CAR))
      .meta({ propertyNames: { pattern: "^[a-z0-9_]+$" }, minProperties: 1 }),
    {
      doc: "The cars by name; the name is the second level of every topic",
      takes: "contexts",
    },
  ),
};

/** The one car and its modules, in dialect C. */
export const SINGLE_CAR = {
  car_name: key(field.fleetName("a car's name"), {
    doc: "The car; the second level of every topic",
    takes: "contexts",
  }),
  modules: key(modulesSchema.clone(), {
    doc: "The car's modules, by id",
    takes: "contexts",
  }),
};
