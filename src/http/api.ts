// What the HTTP side says: the type of every JSON answer and of every server-sent event.
//
// Times are milliseconds since the epoch, durations are milliseconds.
//
// | request | answer | key |
// | --- | --- | --- |
// | `GET /healthz` | {@linkcode Health} | no |
// | `GET /readyz` | {@linkcode Readiness}, 503 while something lacks | no |
// | `GET /metrics` | Prometheus' text format | yes |
// | `GET /api/cars` | {@linkcode CarList} | yes |
// | `GET /api/cars/{car}` | {@linkcode CarDetail}, 404 for a car that is not configured | yes |
// | `GET /api/events` | server-sent events, see {@linkcode ServerEvent} | yes |
// | `POST /rpc` | JSON-RPC 2.0, see {@linkcode RpcMethods} | yes |
// | `GET /openrpc.json` | the OpenRPC document | yes |
// | `GET /`, and what the page needs | the page | no |
//
// The key goes into `Authorization: Bearer <key>` or `X-Api-Key: <key>`; where none is configured,
// none is asked for. A browser's `EventSource` cannot send headers: read `/api/events` with `fetch`.
// Every error but JSON-RPC's has the status 4xx or 5xx and an {@linkcode ErrorBody}.
import type { CarCounts } from "../car/car_statistics.ts";
import type { FailureReason } from "../car/failure.ts";
import type { StateName } from "../car/state.ts";
import type { CallCounts } from "../module/statistics.ts";
import type { LogLevel } from "../config/log_level.ts";
import type { ReloadReport } from "../server/reload_report.ts";

/** What every error of the HTTP side looks like. */
export interface ErrorBody {
  readonly error: {
    /** For programs. */
    readonly code:
      | "bad_request"
      | "unauthorized"
      | "forbidden"
      | "not_found"
      | "method_not_allowed"
      | "too_large"
      | "unsupported_media_type"
      | "too_many_requests"
      | "busy"
      | "timeout"
      | "internal";
    /** For people. */
    readonly message: string;
  };
}

/** `GET /healthz`: the process is alive; always 200. */
export interface Health {
  readonly status: "ok";
  readonly version: string;
  readonly uptimeMs: number;
  /** How late the event loop was: in the last half second, and at the worst in the last minute. */
  readonly eventLoopLagMs: { readonly last: number; readonly max: number };
}

/** `GET /readyz`: 200 when ready, else 503. Names no cars: it is answered without a key. */
export interface Readiness {
  readonly ready: boolean;
  /** What more than half of the cars lack, a sentence each; empty when ready. */
  readonly reasons: readonly string[];
  /** What fewer lack, a sentence each: worth a look, and no reason to take the server out. */
  readonly degraded: readonly string[];
}

/** `GET /api/cars`, and the event `fleet`. */
export interface CarList {
  readonly company: string;
  readonly version: string;
  /** When this was true. */
  readonly at: number;
  /** When the server started. */
  readonly startedAt: number;
  /** In the order of the configuration. */
  readonly cars: readonly CarSummary[];
}

/** A car as a row. */
export interface CarSummary {
  readonly car: string;
  readonly state: StateName;
  /** Since when it has been in this state. */
  readonly since: number;
  /** An operator has paused it: its gateway is not answered until it is resumed. */
  readonly paused: boolean;
  /** Whether its connection to the broker stands. */
  readonly brokerConnected: boolean;
  /** `null` while no gateway has a session. */
  readonly sessionId: string | null;
  /** How many devices are connected. */
  readonly connectedDevices: number;
  /** Numbers of its modules. */
  readonly modules: readonly number[];
  /** Of the last whole second. */
  readonly rates: CarRates;
  /** The newest; `null` when nothing has failed since the server started. */
  readonly lastFailure: FailureView | null;
}

/** What one second brought. */
export interface CarRates {
  /** Statuses that were answered. */
  readonly statuses: number;
  readonly commands: number;
  /** From the arrival of a status to its answer; `null` when none was answered. */
  readonly responseMeanMs: number | null;
  readonly responseMaxMs: number | null;
}

/** Why a session ended, or a connect sequence failed. */
export interface FailureView {
  /** The last time, when it happened often in a row. */
  readonly at: number;
  readonly reason: FailureReason;
  /** Empty when it failed before it had one. */
  readonly sessionId: string;
  /** What was awaited or found. */
  readonly detail: string;
  /** How long it had been awaited; 0 where nothing was. */
  readonly waitedMs: number;
  /** How often in a row. */
  readonly times: number;
  /** What it means and what to do, a sentence or two. */
  readonly advice: string;
}

/** `GET /api/cars/{car}`. Lists of what happened have the newest first. */
export interface CarDetail extends CarSummary {
  /** Devices of the session, connected ones first. */
  readonly devices: readonly DeviceView[];
  readonly moduleContexts: readonly ModuleView[];
  /** At most 10. */
  readonly failures: readonly FailureView[];
  /** At most 20. */
  readonly statuses: readonly StatusView[];
  /** At most 20. */
  readonly commands: readonly CommandView[];
  /** At most 50. */
  readonly events: readonly EventView[];
  readonly queues: QueueView;
  /** Since the server started. */
  readonly counts: CarCounts;
  /** One entry a second, oldest first, at most 60. */
  readonly history: readonly CarRates[];
}

/** A device its gateway has listed. */
export interface DeviceView {
  /** `module/type/role`, unique within the car. */
  readonly id: string;
  readonly module: number;
  readonly type: number;
  readonly role: string;
  readonly name: string;
  readonly connected: boolean;
  /** `null` when it is not connected. */
  readonly connectedSince: number | null;
  readonly lastStatusAt: number | null;
  readonly lastStatusCounter: number | null;
  /** Why it is not connected and what to do, a sentence; `null` when it is. */
  readonly problem: string | null;
}

/** A module of the car and where it runs. */
export interface ModuleView {
  readonly module: number;
  readonly libPath: string;
  /** Number of the module host; `null` while the context is away. */
  readonly host: number | null;
  readonly hostPid: number | null;
  /** Calls without an answer, those that wait for their turn included. */
  readonly openCalls: number;
}

/** The data of a status or command, made readable. */
export interface PayloadView {
  /** `json` and `text` are UTF-8, `hex` is two digits a byte, `empty` has no text. */
  readonly kind: "json" | "text" | "hex" | "empty";
  readonly text: string;
  /** The whole size; `text` shows at most the first 1,024 bytes. */
  readonly bytes: number;
  readonly truncated: boolean;
}

/** A status of a gateway. */
export interface StatusView {
  readonly at: number;
  /** `module/type/role`. */
  readonly device: string;
  readonly state: "CONNECTING" | "RUNNING" | "ERROR" | "DISCONNECT" | "UNKNOWN";
  readonly counter: number;
  readonly data: PayloadView;
  /** `null` when it had none. */
  readonly errorMessage: PayloadView | null;
  /** From its arrival to its answer; `null` while there is none. */
  readonly responseMs: number | null;
}

/** A command to a gateway. */
export interface CommandView {
  readonly at: number;
  /** `module/type/role`. */
  readonly device: string;
  readonly counter: number;
  readonly data: PayloadView;
  /** What the gateway answered; `null` while it has not. */
  readonly response:
    | "OK"
    | "DEVICE_NOT_CONNECTED"
    | "DEVICE_NOT_SUPPORTED"
    | "INVALID_COMMAND"
    | "UNKNOWN"
    | null;
  readonly responseMs: number | null;
}

/** Something that happened to a car, in words. */
export interface EventView {
  readonly at: number;
  readonly level: LogLevel;
  readonly text: string;
  /** `module/type/role`; `null` when it is not about one. */
  readonly device: string | null;
}

/** How much waits. */
export interface QueueView {
  /** Statuses that have arrived and are not answered. */
  readonly statuses: number;
  /** Commands not published yet. */
  readonly commands: number;
  /** Commands published and not answered. */
  readonly unansweredCommands: number;
}

/**
 * `GET /api/events`: each has `event:` its type and `data:` this object as JSON, on one line. `rates`
 * comes every second, so silence means that the connection is lost. A client that reads too slowly is
 * disconnected; whoever is disconnected comes back after a pause and gets everything anew with the
 * event `fleet`.
 */
export type ServerEvent = FleetEvent | CarEvent | FailureEvent | RatesEvent;

/** Everything at once: the first event, and again when the configuration has changed. */
export interface FleetEvent extends CarList {
  readonly type: "fleet";
}

/** A row has changed in something else than its rates: state, pause, session, devices. */
export interface CarEvent {
  readonly type: "car";
  readonly at: number;
  readonly car: CarSummary;
}

/** A session ended, or a connect sequence failed. */
export interface FailureEvent {
  readonly type: "failure";
  readonly car: string;
  readonly failure: FailureView;
}

/** What the last second brought; sent every second. */
export interface RatesEvent {
  readonly type: "rates";
  readonly at: number;
  readonly fleet: CarRates;
  /** Cars that are not in it had neither statuses nor commands. */
  readonly cars: Readonly<Record<string, CarRates>>;
}

/** JSON-RPC: what each method takes (`params`, by name) and gives (`result`). */
export interface RpcMethods {
  "fleet.list": { readonly params: NoParams; readonly result: CarList };
  "car.get": { readonly params: CarParams; readonly result: CarDetail };
  /** Ends the session and tells the gateway, which then connects anew. */
  "car.restart": { readonly params: CarParams; readonly result: CarSummary };
  /** Ends the session, tells the gateway, and answers no Connect until resumed. */
  "car.pause": { readonly params: CarParams; readonly result: CarSummary };
  "car.resume": { readonly params: CarParams; readonly result: CarSummary };
  /** Reads the configuration again; one that cannot be used is error -32001. */
  "config.reload": { readonly params: NoParams; readonly result: ReloadReport };
  /** The effective configuration, secrets masked. */
  "config.get": { readonly params: NoParams; readonly result: Readonly<Record<string, unknown>> };
  /** `level: null` goes back to the configured levels; `car` absent: for all. */
  "log.set_level": {
    readonly params: { readonly level: LogLevel | null; readonly car?: string };
    readonly result: { readonly level: LogLevel | null; readonly car: string | null };
  };
  /** Calls of modules since the server started. */
  "module.stats": { readonly params: NoParams; readonly result: readonly CallCounts[] };
  /** The OpenRPC document. */
  "rpc.discover": { readonly params: NoParams; readonly result: Readonly<Record<string, unknown>> };
}

/** No parameters: `params` is absent, `{}` or `[]`. */
export type NoParams = Readonly<Record<string, never>>;

/** The car that is meant. */
export interface CarParams {
  readonly car: string;
}

/**
 * Codes of JSON-RPC errors: -32700 no JSON, -32600 no request, -32601 no such method, -32602 wrong
 * parameters, -32603 a defect, and the server's own.
 */
export const RPC_ERRORS = {
  /** No car of that name is configured. */
  NO_SUCH_CAR: -32000,
  /** The configuration cannot be used, nothing has changed; `data` is the {@linkcode ReloadReport}. */
  BAD_CONFIG: -32001,
  /** The method cannot be used on this server, or not now. */
  UNAVAILABLE: -32002,
} as const;
