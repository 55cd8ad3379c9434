// Checks the modules' libraries: their files, what these need, and, in a real module host, whether
// they load and which module they are. A library that crashes only fails its own check.
import type { ServerConfig } from "../config/mod.ts";
import { type ContextSpec, SYMBOLS } from "../module/mod.ts";
import { contextSpecs } from "../server/mod.ts";
import { Findings } from "./findings.ts";
import { TrialHosts, type Trouble } from "./trial_hosts.ts";
import { type LoadPlan, planLibraries } from "./loader/mod.ts";

export interface LibraryCheckOptions {
  readonly config: ServerConfig;
  /** Whether `init` is called, which may contact a real API. */
  readonly init: boolean;
  readonly signal: AbortSignal;
}

/** One library under one module number, for all cars that use it. */
interface Used {
  /** Of the first car that uses it. */
  readonly spec: ContextSpec;
  cars: number;
}

/** The result of loading a library in a module host. */
interface Attempt extends Used {
  readonly plan: LoadPlan;
  /** Whether it loads and has the right module number. */
  readonly loaded: boolean;
  readonly trouble: Trouble | undefined;
}

/** Checks each library once; with `init`, each module of each car. */
export async function checkLibraries(options: LibraryCheckOptions): Promise<Findings[]> {
  const { config, init } = options;
  const libraries = new Findings("libraries");
  const modules = new Findings("modules");
  const specs = config.cars.flatMap((car) => contextSpecs(config, car));
  const hosts = new TrialHosts(config.timeouts.moduleCallMs, options.signal);
  try {
    const attempts = await tryLoading(usedLibraries(specs), await planLibraries(config), hosts);
    judgeLibraries([...attempts.values()], libraries);
    if (init) {
      await Promise.all(specs.map(async (spec) => {
        const subject = `car ${spec.car}, module ${spec.module}`;
        if (!attempts.get(keyOf(spec))?.loaded) {
          return modules.skipped(subject, "init was not called: the library is unusable");
        }
        judgeInit(subject, await hosts.attempt(spec, "init"), modules);
      }));
    } else {
      modules.skipped(
        "init",
        `init was not called for ${specs.length} modules of ${config.cars.length} cars: ` +
          "it may contact the module's backend",
        "Run doctor with --init if that does no harm",
      );
    }
  } finally {
    await hosts.stop();
  }
  return [libraries, modules];
}

/** Loads each library, under each of its module numbers. */
async function tryLoading(
  used: ReadonlyMap<string, Used>,
  plans: ReadonlyMap<string, LoadPlan>,
  hosts: TrialHosts,
): Promise<Map<string, Attempt>> {
  const attempts = await Promise.all([...used].map(async ([key, { spec, cars }]) => {
    const plan = plans.get(spec.libPath) ?? SCRIPT;
    // A file that is not a library for this machine does not need a process.
    const trouble = plan.native ? await hosts.attempt(spec, "load") : undefined;
    const loaded = plan.native && trouble === undefined;
    return [key, { spec, cars, plan, loaded, trouble }] as const;
  }));
  return new Map(attempts);
}

/** Judges each file once, and each module number it is used under. */
function judgeLibraries(attempts: readonly Attempt[], findings: Findings): void {
  const judged = new Set<string>();
  for (const attempt of attempts) {
    const { spec, plan, loaded } = attempt;
    const { libPath } = spec;
    if (!judged.has(libPath)) {
      if (spec.script === undefined) judgeFile(libPath, plan, loaded, findings);
      else judgeScript(spec, findings);
    }
    judged.add(libPath);
    judgeLoading(attempt, findings);
  }
}

function usedLibraries(specs: readonly ContextSpec[]): Map<string, Used> {
  const used = new Map<string, Used>();
  for (const spec of specs) {
    const known = used.get(keyOf(spec));
    if (known) known.cars++;
    else used.set(keyOf(spec), { spec, cars: 1 });
  }
  return used;
}

function keyOf({ libPath, module }: ContextSpec): string {
  return `${module} ${libPath}`;
}

/** What a script needs: nothing. */
const SCRIPT: LoadPlan = { native: true, problems: [] };

/** Whether it was found and compiled is not asked: the configuration could not be read otherwise. */
function judgeScript({ libPath, script, permissions }: ContextSpec, findings: Findings): void {
  const count = script?.files.length ?? 0;
  const files = count === 1 ? "one file" : `${count} files`;
  findings.ok(libPath, `Found, a script of ${files}, may ${describePermissions(permissions)}`);
}

function describePermissions(permissions: ContextSpec["permissions"] = {}): string {
  const granted = Object.entries(permissions)
    .map(([name, list]: [string, readonly string[]]) => `${name} ${list.join(", ")}`);
  return granted.length === 0 ? "do nothing else" : `use ${granted.join("; ")}`;
}

/** Judges the file; the loader has the last word, and may have loaded it nevertheless. */
function judgeFile(path: string, plan: LoadPlan, loads: boolean, findings: Findings): void {
  const { problems, native, architecture, needed, glibc, glibcxx, variant } = plan;
  for (const { message, advice } of problems) {
    if (loads) findings.warning(path, `${message}; it could be loaded nevertheless`, advice);
    else findings.failed(path, `The library cannot be loaded: ${message}`, advice);
  }
  if (native && problems.length === 0) {
    const libraries = needed === undefined
      ? "the loader was not asked"
      : `${glibc ? `glibc ${glibc} or newer` : "any glibc"}, ` +
        `${glibcxx ? `GLIBCXX_${glibcxx} or newer, ` : ""}` +
        `${needed} needed ${needed === 1 ? "library" : "libraries"} found; ` +
        (variant === undefined
          ? "too new for every image variant"
          : `loads in an image on ${variant.base}`);
    findings.ok(path, `Found, ${architecture}, ${libraries}`);
  }
  if (!loads) return;
  const names = Object.keys(SYMBOLS);
  findings.ok(path, `Has the ${names.length} functions the server calls: ${names.join(", ")}`);
}

function judgeLoading({ spec, cars, plan, trouble }: Attempt, findings: Findings): void {
  const { libPath, module, car } = spec;
  if (!plan.native) {
    return findings.skipped(
      libPath,
      `Not loaded as module ${module}: not a library for this machine`,
    );
  }
  const whose = cars === 1 ? `car ${car}` : `${cars} cars`;
  if (trouble === undefined) {
    return findings.ok(libPath, `Loads in a module host, is module ${module} (${whose})`);
  }
  const { kind, detail } = trouble;
  // What the file lacks has been reported already.
  if (kind === "library" && plan.problems.length > 0) return;
  const advice = spec.script === undefined ? ADVICE : SCRIPT_ADVICE;
  findings.failed(libPath, `Module ${module} (${whose}): ${detail}`, advice[kind]);
}

function judgeInit(subject: string, trouble: Trouble | undefined, findings: Findings): void {
  if (trouble === undefined) {
    return findings.ok(subject, "init returned a context, destroy ended it");
  }
  findings.failed(subject, trouble.detail, ADVICE[trouble.kind]);
}

const ADVICE = {
  library: "Read the loader's message; undefined symbols mean that a library was not linked",
  symbol: 'Define and export them in the library, as extern "C" and not hidden',
  number: "Configure the module under its own number, or name another library",
  init: "Check the module's config (addresses, keys); its own output may say more",
  host:
    "The library crashes, hangs or ends the process: run it under a debugger, or ask its author",
} as const;

const SCRIPT_ADVICE = {
  ...ADVICE,
  library: "Correct the file at the place that the message names, or grant what it was refused",
  symbol: "Compare the class with ServerModule and ServerModuleClass of the package fleet-module",
  number: "Configure the module under its own number, or name another file",
  host: "The module ends its host or never comes back: see the message, or ask its author",
} as const;
