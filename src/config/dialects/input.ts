// What every dialect is brought to before it is checked: the same parts, each with its path.
import type { modulesSchema } from "../keys/keys.ts";
import type { Read } from "./read.ts";

/** The broker as a dialect names it. */
export interface BrokerInput {
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly sessionMs: number | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly passwordFile: string | undefined;
  /** Undefined where the dialect has no keys for it. */
  readonly tls: TlsInput | undefined;
  /** Where each of them stands. */
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

/** Modules by id, as written; an entry that is wrong is undefined. */
export type ModulesInput = NonNullable<Read<typeof modulesSchema>>;

/** Modules and where they stand; undefined modules are absent or wrong. */
export interface ModulesAt {
  readonly path: string;
  readonly modules: ModulesInput | undefined;
}

/** One car as a dialect names it. */
export interface CarInput {
  readonly name: string;
  readonly path: string;
  /** False when there is no telling what the car has. */
  readonly isRead: boolean;
  readonly specific: ModulesAt;
}

/** The cars and what they share. */
export interface FleetInput {
  readonly common: ModulesAt | undefined;
  /** Where the cars stand. */
  readonly path: string;
  readonly cars: readonly CarInput[];
}
