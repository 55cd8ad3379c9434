// Checks whether this machine's limits suffice for the cars: open files, threads, memory,
// addresses.
import type { ServerConfig } from "../config/mod.ts";
import { CONTEXTS_PER_HOST } from "../module/mod.ts";
import { placeContexts } from "../server/mod.ts";
import { Findings } from "./findings.ts";
import { kernelFile } from "./system.ts";

/** Open files of the program itself: runtime, logs, HTTP, and a few to spare. */
const OWN_FILES = 64;
/** A car's connection to the broker; the embedded broker's ends of it and of its gateway's. */
const FILES_PER_CAR = 1;
const EMBEDDED_FILES_PER_CAR = 2;
/** Clients of the embedded broker besides cars and gateways, including reconnecting ones. */
const LEAST_GUESTS = 16;
/** A connection to the HTTP port, and both ends of the one by which it is passed on. */
const FILES_PER_HTTP_CONNECTION = 3;
/** HTTP connections with which operators and what watches the server get along. */
const LEAST_HTTP_CONNECTIONS = 16;
/** A host's socket, input, two outputs and handle. */
const FILES_PER_HOST = 5;
/** Threads of the program, and of a host with every thread of its pool in use. */
const OWN_THREADS = 40;
const THREADS_PER_HOST = 48;
const MIB = 1024 * 1024;
/** Measured with 500 cars, without what modules use themselves, in bytes. */
const OWN_BYTES = 80 * MIB;
const BYTES_PER_CAR = MIB / 2;
const BYTES_PER_HOST = 11 * MIB;
/** Addresses that V8 reserves for each process, and mostly does not use, in bytes: 50 to 68 GB. */
const RESERVED_BYTES = 70_000_000_000;
/** From this share on, a limit is close. */
const CLOSE = 0.8;

/** What the cars of a configuration need. */
export interface Needs {
  readonly cars: number;
  readonly hosts: number;
  readonly files: number;
  readonly threads: number;
  readonly bytes: number;
}

/** What this machine offers; undefined: not known. */
export interface Machine {
  readonly files: number | undefined;
  readonly threads: number | undefined;
  readonly bytes: number | undefined;
  /** Of each process. */
  readonly addresses: number | undefined;
}

const UNKNOWN = { threads: undefined, bytes: undefined, addresses: undefined } as const;

/** Checks this machine, for a server that may be its own broker. */
export async function checkLimits(config: ServerConfig, embedded = false): Promise<Findings> {
  return judgeLimits(needsOf(config, embedded), await readMachine());
}

/** How many connections a server takes whose number nothing else bounds; undefined: not known. */
export interface ConnectionShares {
  /** What is too low or nearly so, and what to do about it. */
  readonly warning: string | undefined;
  readonly http: number | undefined;
  readonly broker: number | undefined;
}

/** Shares out the open files that cars and module hosts leave, as far as the limit is known. */
export async function shareFiles(
  config: ServerConfig,
  embedded: boolean,
  readLimit: () => Promise<number | undefined> = readFileLimit,
): Promise<ConnectionShares> {
  const limit = await readLimit();
  if (limit === undefined) return { warning: undefined, http: undefined, broker: undefined };
  const needs = needsOf(config, embedded);
  const left = Math.max(0, limit - needs.files) / (embedded ? 2 : 1);
  const { list: [files] } = judgeLimits(needs, { files: limit, ...UNKNOWN });
  const warned = files?.status === "failed" || files?.status === "warning";
  return {
    warning: warned ? `Open files: ${files.message}. ${files.advice}` : undefined,
    http: LEAST_HTTP_CONNECTIONS + Math.floor(left / FILES_PER_HTTP_CONNECTION),
    broker: LEAST_GUESTS + EMBEDDED_FILES_PER_CAR * needs.cars + Math.floor(left),
  };
}

/** Counts, with the contexts placed as the server does it. */
export function needsOf(
  { cars, http }: Pick<ServerConfig, "cars" | "http">,
  embedded = false,
): Needs {
  const hosts: { id: number; free: number }[] = [];
  for (const { modules } of cars) {
    for (const { host, count } of placeContexts(modules.length, hosts, CONTEXTS_PER_HOST)) {
      const known = host === null ? undefined : hosts[host];
      if (known) known.free -= count;
      else hosts.push({ id: hosts.length, free: CONTEXTS_PER_HOST - count });
    }
  }
  const filesPerCar = FILES_PER_CAR + (embedded ? EMBEDDED_FILES_PER_CAR : 0);
  const guestFiles = embedded ? LEAST_GUESTS : 0;
  const httpFiles = http === undefined ? 0 : LEAST_HTTP_CONNECTIONS * FILES_PER_HTTP_CONNECTION;
  return {
    cars: cars.length,
    hosts: hosts.length,
    files: OWN_FILES + filesPerCar * cars.length + FILES_PER_HOST * hosts.length + guestFiles +
      httpFiles,
    threads: OWN_THREADS + THREADS_PER_HOST * hosts.length,
    bytes: OWN_BYTES + BYTES_PER_CAR * cars.length + BYTES_PER_HOST * hosts.length,
  };
}

/** Compares needs with limits. */
export function judgeLimits(needs: Needs, machine: Machine): Findings {
  const findings = new Findings("limits");
  const whose = `for ${needs.cars} cars and ${needs.hosts} module hosts`;
  const judge = (
    subject: string,
    needed: number,
    limit: number | undefined,
    show: (value: number) => string,
    advice: string,
    severe: "failed" | "warning",
    by = whose,
  ) => {
    const wanted = `about ${show(needed)} needed ${by}`;
    if (limit === undefined) {
      return findings.skipped(subject, `${wanted}; the limit is not known`);
    }
    const text = `${wanted}, ${limit === Infinity ? "no limit" : `${show(limit)} available`}`;
    if (needed > limit) findings[severe](subject, text, advice);
    else if (needed > CLOSE * limit) findings.warning(subject, text, advice);
    else findings.ok(subject, text);
  };
  judge(
    "open files",
    needs.files,
    machine.files,
    String,
    "Raise the limit: LimitNOFILE= of a service, --ulimit nofile= of a container, ulimit -n",
    "failed",
  );
  judge(
    "threads",
    needs.threads,
    machine.threads,
    String,
    "Raise the limit: TasksMax= and LimitNPROC= of a service, --pids-limit of a container",
    "warning",
  );
  judge(
    "memory",
    needs.bytes,
    machine.bytes,
    (value) => `${Math.ceil(value / MIB)} MiB`,
    "Give the machine or container more memory; what modules use themselves comes on top",
    "warning",
  );
  judge(
    "address space",
    RESERVED_BYTES,
    machine.addresses,
    (value) => `${Math.round(value / 1e9)} GB`,
    "Lift the limit (ulimit -v, LimitAS= of a service) and limit memory instead: V8 reserves " +
      "addresses that it does not use, and ends processes that cannot have them",
    "warning",
    "by each process",
  );
  return findings;
}

async function readFileLimit(): Promise<number | undefined> {
  return limitOf(await kernelFile("/proc/self/limits"), "Max open files");
}

async function readMachine(): Promise<Machine> {
  const [limits, group] = await Promise.all([
    kernelFile("/proc/self/limits"),
    kernelFile("/proc/self/cgroup"),
  ]);
  // In a container, the group is the visible root.
  const path = /^0::(\/.*)$/m.exec(group ?? "")?.[1] ?? "/";
  const folder = `/sys/fs/cgroup${path === "/" ? "" : path}`;
  const [pids, memory, used] = await Promise.all([
    kernelFile(`${folder}/pids.max`),
    kernelFile(`${folder}/memory.max`),
    kernelFile(`${folder}/memory.current`),
  ]);
  const processes = limitOf(limits, "Max processes");
  const most = numberOf(memory);
  const left = most === undefined ? Infinity : most - (numberOf(used) ?? 0);
  return {
    files: limitOf(limits, "Max open files"),
    threads: processes === undefined ? undefined : Math.min(processes, numberOf(pids) ?? Infinity),
    bytes: Math.min(Deno.systemMemoryInfo().available, left),
    addresses: limitOf(limits, "Max address space"),
  };
}

/** The soft limit: the runtime has raised that of files to the hard one when it started. */
function limitOf(limits: string | undefined, name: string): number | undefined {
  const [, soft] = new RegExp(`^${name}\\s+(\\d+|unlimited)`, "m").exec(limits ?? "") ?? [];
  if (soft === undefined) return undefined;
  return soft === "unlimited" ? Infinity : Number(soft);
}

/** `max` means no limit. */
function numberOf(text: string | undefined): number | undefined {
  const value = text?.trim();
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
}
