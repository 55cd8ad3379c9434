// Page, API and metrics of a Module Gateway.
import type { HttpConfig } from "../../config/mod.ts";
import type { Log } from "../../log/mod.ts";
import type { GatewayStatistics } from "../../module/mod.ts";
import { isLoopback } from "../../net/mod.ts";
import { GATEWAY_FAMILIES, GATEWAY_PREFIX, LoopLag, Metrics } from "../../observe/mod.ts";
import { type Clock, systemClock } from "../../time/mod.ts";
import { AuditList } from "../access/audit.ts";
import { Authorization } from "../access/authorization.ts";
import { KeyRing, type KeysConfig } from "../access/key_ring.ts";
import { LogIns } from "../access/log_ins.ts";
import type { Readiness } from "../api/schemas.ts";
import type { OperatedSource } from "../api/config_source.ts";
import { degradedSinks, type OperatedSink } from "../api/sinks.ts";
import { createApp } from "../app.ts";
import { type HttpListening, listenHttp } from "../listen.ts";
import { gatewayAssets } from "../page/assets.ts";
import { callGatewayMethod, GATEWAY_METHODS, type GatewaySource } from "./methods.ts";

export interface GatewayOperatorsOptions {
  readonly config: HttpConfig;
  readonly log: Log;
  /** The calls of all modules. */
  readonly statistics: GatewayStatistics;
  /** The sinks of events. @default {none} */
  readonly sinks?: (() => readonly OperatedSink[]) | undefined;
  /** Absent: the configuration is the local file. */
  readonly configSource?: OperatedSource | undefined;
  readonly clock?: Clock;
}

/** The gateway, and what operators can do with it. */
export type Operated = Pick<GatewaySource, "gateway" | "reload" | "setLogLevel">;

/** The HTTP server of a gateway. */
export class GatewayOperators {
  readonly #options: GatewayOperatorsOptions;
  readonly #clock: Clock;
  readonly #ring: KeyRing;
  readonly #logIns: LogIns;
  readonly #audit: AuditList;
  readonly #lag: LoopLag;
  #listening: HttpListening | undefined;

  constructor(options: GatewayOperatorsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#ring = new KeyRing(options.config);
    this.#logIns = new LogIns(this.#ring, this.#clock, undefined);
    this.#audit = new AuditList(options.log, this.#clock, undefined);
    this.#lag = new LoopLag(this.#clock);
  }

  /** Where it listens, such as `http://127.0.0.1:8080`; "" while it does not. */
  get url(): string {
    return this.#listening?.url ?? "";
  }

  /**
   * Listens.
   *
   * @throws {HttpListenError | TlsFileError} when it cannot.
   */
  async start(operated: Operated): Promise<void> {
    const { config, log, statistics, sinks = () => [], configSource } = this.#options;
    const clock = this.#clock;
    const startedAt = Math.floor(clock.now());
    const { gateway } = operated;
    const audit = this.#audit;
    const source: GatewaySource = {
      ...operated,
      audit,
      clock,
      log,
      startedAt,
      sinks,
      configSource,
    };
    const metrics = new Metrics(
      () => ({
        gateway: gateway.snapshot(),
        modules: gateway.moduleSnapshots(),
        calls: statistics.snapshot(),
        sinks: sinks().map((sink) => sink.snapshot()),
        configSource: configSource?.view(),
        lagMs: this.#lag.lagMs,
        process: { residentBytes: Deno.memoryUsage().rss, startedAt },
      }),
      GATEWAY_FAMILIES,
      GATEWAY_PREFIX,
    );
    const app = createApp({
      source,
      title: "Module Gateway",
      methods: GATEWAY_METHODS,
      call: callGatewayMethod,
      assets: gatewayAssets,
      metrics,
      authorization: new Authorization({
        ring: this.#ring,
        logIns: this.#logIns,
        clock,
        // Browsers tell hosts apart, but not the ports of one.
        cookie: `module_gateway_${config.port}`,
        secure: config.tls !== undefined,
        local: isLoopback(config.address),
      }),
      health: () => ({
        status: "ok",
        uptimeMs: Math.floor(clock.now() - startedAt),
        eventLoopLagMs: this.#lag.lagMs,
      }),
      readiness: () => readinessOf(source),
    });
    this.#listening = await listenHttp(config, app.fetch, { clock, log });
    this.#lag.start();
    log.info(() => `Listening for operators on ${this.url}`);
  }

  /** Takes the keys of another configuration: what a revoked one has opened ends. */
  configure(keys: KeysConfig): void {
    this.#ring.replace(keys);
    this.#logIns.prune();
  }

  /** Ends every request. Never rejects. */
  async stop(): Promise<void> {
    this.#lag.stop();
    await this.#listening?.stop();
    this.#listening = undefined;
  }
}

/** Whether devices are served; a cloud that is away is no reason to take the gateway out of service. */
function readinessOf(source: GatewaySource): Readiness {
  const snapshot = source.gateway.snapshot();
  const reasons = snapshot === null ? ["devices cannot connect: the gateway does not listen"] : [];
  const degraded = (snapshot?.endpoints ?? [])
    .filter(({ phase, devices }) => phase !== "connected" && devices.length > 0)
    .map((_, index) => `endpoint ${index + 1} has devices and no session with the cloud`);
  degraded.push(...degradedSinks(source));
  return { ready: reasons.length === 0, reasons, degraded };
}
