// The input that every dialect is converted to before it is checked: the same parts, with their
// paths.
import type { modulesSchema } from "../keys/fleet_keys.ts";
import type { Read } from "./read.ts";

/** The broker as written in a document. */
export interface BrokerInput {
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly sessionMs: number | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly passwordFile: string | undefined;
  /** Undefined where the dialect has no keys for it. */
  readonly tls: TlsInput | undefined;
  /** The path of each key. */
  readonly paths: Readonly<Record<BrokerKey, string>>;
}

/** What {@linkcode BrokerInput.paths} knows. */
export type BrokerKey =
  | "address"
  | "port"
  | "username"
  | "password"
  | "passwordFile"
  | keyof TlsInput;

/** Names of PEM files, as written. */
export interface TlsInput {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** Modules by id, as written; invalid entries are undefined. */
export type ModulesInput = NonNullable<Read<typeof modulesSchema>>;

/** Modules and their path; undefined modules are missing or invalid. */
export interface ModulesAt {
  readonly path: string;
  readonly modules: ModulesInput | undefined;
}

/** One car as written in a document. */
export interface CarInput {
  readonly name: string;
  readonly path: string;
  /** False when the car's modules could not be read. */
  readonly isRead: boolean;
  readonly specific: ModulesAt;
  readonly labels?: readonly string[] | undefined;
}

/** The cars and their common modules. */
export interface FleetInput {
  readonly common: ModulesAt | undefined;
  /** The path of the cars. */
  readonly path: string;
  readonly cars: readonly CarInput[];
}
