// Resolves the cars and their modules [CONFIG-CARS].
import { resolve } from "node:path";
import { fleetName } from "../keys/fields.ts";
import { isScriptPath, type Script, ScriptError } from "../../script/mod.ts";
import { joinPath, quote } from "../../text/mod.ts";
import type { Faults } from "../errors.ts";
import { type ConfigPlace, findFile, readSecret } from "../files.ts";
import type { CarInput, FleetInput, ModulesAt, ModulesInput } from "../dialects/input.ts";
import type { CarConfig, ModuleConfig } from "./config.ts";

/** Module ids are a C `int`. */
const MAX_ID = 2_147_483_647;

/** The modules of one section by id, with their paths; undefined: invalid. */
type ResolvedModules = ReadonlyMap<
  number,
  { readonly path: string; readonly module: ModuleConfig | undefined }
>;

/** Checks cars and modules; the result is complete only when no problem was found. */
export function resolveFleet(
  fleet: FleetInput,
  place: ConfigPlace,
  faults: Faults,
): readonly CarConfig[] {
  const { common } = fleet;
  const shared = resolveModules(common, place, faults);
  if (common !== undefined && fleet.cars.length > 1) warnOfSharedNames(common, faults);
  if (fleet.cars.length === 0) {
    faults.problem(fleet.path, "Expected at least one car: found none");
  }
  return fleet.cars.map((car) => {
    checkName(car, faults);
    const own = resolveModules(car.specific, place, faults);
    for (const [id, { path }] of own) {
      const other = shared.get(id);
      if (other === undefined) continue;
      faults.problem(path, `Expected a module that is not common: also found ${other.path}`);
    }
    const sections = common === undefined ? [car.specific] : [common, car.specific];
    const isEmpty = sections.every((section) => (section.modules?.size ?? 0) === 0);
    const isRead = car.isRead && !sections.some(({ path }) => faults.hasProblem(path));
    if (isEmpty && isRead) {
      const expected = common === undefined
        ? "at least one module"
        : "at least one module, common or specific";
      faults.problem(car.specific.path, `Expected ${expected}: found none`);
    }
    const modules = [...shared.values(), ...own.values()].flatMap(({ module }) => module ?? []);
    const { name, labels = [] } = car;
    return { name, ...(labels.length === 0 ? {} : { labels }), modules };
  });
}

/** A car's name may be a key of an object, which schemas do not check. */
function checkName(car: CarInput, faults: Faults): void {
  const result = fleetName("a car's name").safeParse(car.name);
  if (result.success) return;
  const expected = result.error.issues[0]?.message ?? "a car's name";
  faults.problem(car.path, `Expected ${expected}: found the key ${quote(car.name)}`);
}

function resolveModules(
  section: ModulesAt | undefined,
  place: ConfigPlace,
  faults: Faults,
): ResolvedModules {
  const resolved = new Map<number, { path: string; module: ModuleConfig | undefined }>();
  for (const [key, entry] of section?.modules ?? []) {
    const path = joinPath(section?.path ?? "", key);
    const id = parseId(key);
    const module = resolveModule(id ?? 0, entry, path, place, faults);
    if (id === undefined) {
      faults.problem(path, `Expected a module id from 1 to ${MAX_ID}: found the key ${quote(key)}`);
      continue;
    }
    const twin = resolved.get(id);
    if (twin === undefined) resolved.set(id, { path, module });
    else faults.problem(path, `Expected each module once: also found ${twin.path}`);
  }
  return resolved;
}

function parseId(key: string): number | undefined {
  if (!/^\d+$/.test(key)) return undefined;
  const id = Number(key);
  return id >= 1 && id <= MAX_ID ? id : undefined;
}

type ModuleInput = ModulesInput extends ReadonlyMap<string, infer Entry> ? Entry : never;

function resolveModule(
  id: number,
  entry: ModuleInput,
  path: string,
  place: ConfigPlace,
  faults: Faults,
): ModuleConfig | undefined {
  if (entry?.lib_path === undefined) return undefined;
  const library = findFile(entry.lib_path, place);
  if (!library.ok) {
    faults.problem(joinPath(path, "lib_path"), library.message);
    return undefined;
  }
  const isScript = isScriptPath(library.path);
  if (!isScript && entry.permissions !== undefined) {
    const expected = "Expected permissions only for a module in TypeScript or JavaScript";
    faults.problem(joinPath(path, "permissions"), `${expected}: found a shared library`);
  }
  const script = isScript
    ? scriptAt(library.path, joinPath(path, "lib_path"), place, faults)
    : undefined;
  const policy = commandPolicy(entry, joinPath(path, "command_policy"), faults);
  if (entry.timeout_ms === undefined) return undefined;
  const parameters = [...entry.config ?? []].flatMap(([key, value]): [string, string][] => {
    if (value === undefined) return [];
    const text = String(value);
    return [[
      key,
      place.isPulled ? named(text, joinPath(path, `config.${key}`), place, faults) : text,
    ]];
  });
  return {
    id,
    libPath: library.path,
    ...(script === undefined ? {} : { script }),
    ...(isScript ? permissionsOf(entry.permissions ?? {}, place) : {}),
    parameters,
    waitTimeoutMs: entry.timeout_ms,
    ...policy,
  };
}

/** Nothing when there is none, or an invalid one, or one that says nothing. */
function commandPolicy(
  { command_policy: given }: NonNullable<ModuleInput>,
  path: string,
  faults: Faults,
): Pick<ModuleConfig, "commandPolicy"> {
  if (given === undefined) return {};
  const { ttl_s, supersede, supersede_field: field, redeliver = 0 } = given;
  if (redeliver > 0 && ttl_s === undefined && !faults.hasProblem(path)) {
    const expected = "Expected ttl_s with it, or commands of any age would be sent again";
    faults.problem(joinPath(path, "redeliver"), `${expected}: found ${redeliver} alone`);
  }
  if (supersede === "field" && field === undefined && !faults.hasProblem(path)) {
    faults.problem(joinPath(path, "supersede"), 'Expected supersede_field with it: found "field"');
  }
  if (supersede !== "field" && field !== undefined && !faults.hasProblem(path)) {
    const at = joinPath(path, "supersede_field");
    faults.problem(at, `Expected it only with supersede "field": found ${quote(field)}`);
  }
  if (ttl_s === undefined && supersede === undefined) return {};
  const byField = supersede === "field" ? field?.split(".") ?? [] : [];
  return {
    commandPolicy: {
      ttlMs: ttl_s === undefined ? null : ttl_s * 1000,
      supersede: supersede === undefined ? null : byField,
      redeliver,
    },
  };
}

/** A secret that a value names, as in `${env:MISSION_KEY}`; other values as they are. */
function named(text: string, path: string, place: ConfigPlace, faults: Faults): string {
  const [, name] = /^\$\{((?:env|credential):[^}]*|file:[^}]+)\}$/.exec(text) ?? [];
  if (name === undefined) return text;
  const read = readSecret(name.replace(/^file:/, ""), place);
  if (read.ok) return read.text ?? "";
  faults.problem(path, read.message);
  return "";
}

/** Reads a script; undefined when it cannot be run, which is reported. */
export function scriptAt(
  path: string,
  at: string,
  place: ConfigPlace,
  faults: Faults,
): Script | undefined {
  try {
    return place.files.script(path);
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    faults.problem(at, `Expected a module that can be run: ${error.message}`);
    return undefined;
  }
}

/** Without lists that are empty or invalid; nothing when none is left. */
function permissionsOf(
  { net, read, write, env }: NonNullable<NonNullable<ModuleInput>["permissions"]>,
  { workingDirectory }: ConfigPlace,
): Pick<ModuleConfig, "permissions"> {
  const valid = (list: typeof net) => list?.filter((one) => one !== undefined);
  const absolute = (list: typeof net) => valid(list)?.map((one) => resolve(workingDirectory, one));
  const all = { net: valid(net), read: absolute(read), write: absolute(write), env: valid(env) };
  const lists = Object.entries(all).filter(([, list]) => list !== undefined && list.length > 0);
  return lists.length === 0 ? {} : { permissions: Object.fromEntries(lists) };
}

/** Warns when all cars' contexts would get the same name [MODULE-CONFIG]. */
function warnOfSharedNames(common: ModulesAt, faults: Faults): void {
  for (const [id, entry] of common.modules ?? []) {
    for (const key of ["company_name", "car_name"]) {
      if (!entry?.config?.has(key)) continue;
      const path = joinPath(joinPath(joinPath(common.path, id), "config"), key);
      faults.warning(path, `Same ${quote(key)} for every car: the module is common`);
    }
  }
}
