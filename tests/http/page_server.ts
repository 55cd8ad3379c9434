// A server that only serves the page and says what a test wants said, in the types of api.ts.
import { Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";
import type { ServerEvent } from "../../src/http/api/event_schemas.ts";
import type {
  CarDetail,
  CarRates,
  CarSummary,
  CauseView,
  DeviceView,
  EventPage,
  Fleet,
  HealthView,
  IncidentView,
  ListedEventView,
  PayloadView,
  Problem,
  TrackView,
} from "../../src/http/api/schemas.ts";
import type { LogInView } from "../../src/http/access/log_in_routes.ts";
import { headersFor } from "../../src/http/middleware.ts";
import { assets } from "../../src/http/page/assets.ts";
import { waitFor } from "../support/wait.ts";

/** Nothing in a second. */
export const NO_RATES: CarRates = {
  statuses: 0,
  commands: 0,
  responseMeanMs: null,
  responseMaxMs: null,
};

/** A running car, with what a test wants different. */
export function someCar(car: string, different: Partial<CarSummary> = {}): CarSummary {
  const row = {
    state: "RUNNING",
    paused: false,
    pause: null,
    brokerConnected: true,
    ...different,
  } as const;
  return {
    car,
    health: someHealth(row),
    lastMessageAt: Date.now(),
    since: Date.now() - 3 * 3_600_000,
    sessionId: `session-of-${car}`,
    connectedDevices: 2,
    modules: [1000],
    rates: NO_RATES,
    position: null,
    lastIncident: null,
    ...row,
  };
}

/** The health of a car in such a state. */
function someHealth(
  { state, paused, brokerConnected }: Pick<CarSummary, "state" | "paused" | "brokerConnected">,
): HealthView {
  const since = Date.now() - 60_000;
  if (!brokerConnected) {
    return { state: "down", since, causes: [someCause({ code: "broker_away", severity: "down" })] };
  }
  if (state === "ERROR") {
    return {
      state: "down",
      since,
      causes: [someCause({ code: "modules_away", severity: "down" })],
    };
  }
  if (paused) return { state: "paused", since, causes: [] };
  return { state: state === "RUNNING" ? "healthy" : "waiting", since, causes: [] };
}

/** A cause, with what a test wants different. */
export function someCause(different: Partial<CauseView> = {}): CauseView {
  return {
    code: "session_timeout",
    severity: "waiting",
    since: Date.now() - 60_000,
    text: "Gateway silent: no message (30 s)",
    advice: "The gateway was not heard: check the car's mobile network.",
    module: null,
    attempts: null,
    nextAttemptAt: null,
    ...different,
  };
}

/** An incident that goes on, with what a test wants different. */
export function someIncident(different: Partial<IncidentView> = {}): IncidentView {
  return {
    id: 1,
    code: "session_timeout",
    severity: "waiting",
    text: "Gateway silent: no message (30 s)",
    advice: "The gateway was not heard: check the car's mobile network.",
    beganAt: Date.now() - 60_000,
    endedAt: null,
    switchedOff: false,
    quietSince: null,
    culprit: null,
    cars: ["car_1"],
    carCount: 1,
    times: 1,
    acknowledged: null,
    ...different,
  };
}

/** An event of the list, with what a test wants different. */
export function someEvent(different: Partial<ListedEventView> = {}): ListedEventView {
  return {
    id: "1",
    at: Date.now(),
    car: "car_1",
    level: "INFO",
    text: "Device connected",
    device: null,
    kind: null,
    session: null,
    counter: null,
    payload: null,
    ...different,
  };
}

/** A page of events, as a server without an event log answers, with what a test wants different. */
export function somePage(
  events: readonly ListedEventView[],
  different: Partial<EventPage> = {},
): EventPage {
  const known = { searchedTo: null, reachesBackTo: null };
  return { source: "memory", events, next: null, ...known, ...different };
}

/** Everything, as the first event of a stream. */
export function someFleet(cars: readonly CarSummary[], different: Partial<Fleet> = {}): Fleet {
  const at = Date.now();
  return {
    company: "depot",
    instance: null,
    version: "1.2.3",
    at,
    startedAt: at - 86_400_000,
    health: { down: 0, degraded: 0, waiting: 0, paused: 0, healthy: cars.length },
    openIncidents: [],
    map: { tiles: "", attribution: "" },
    cars,
    ...different,
  };
}

/** Data as the server makes it readable. */
export function payload(kind: PayloadView["kind"], text: string): PayloadView {
  return { kind, text, bytes: kind === "hex" ? text.length / 2 : text.length, truncated: false };
}

/** A connected device, with what a test wants different. */
export function someDevice(different: Partial<DeviceView> = {}): DeviceView {
  return {
    id: "7/0/front",
    module: 7,
    type: 0,
    role: "front",
    name: "Front",
    connected: true,
    connectedSince: Date.now() - 60_000,
    lastStatusAt: null,
    lastStatusCounter: null,
    lastStatus: null,
    problem: null,
    ...different,
  };
}

/** Everything about a car that has no history. */
export function someDetail(car: CarSummary, different: Partial<CarDetail> = {}): CarDetail {
  return {
    ...car,
    devices: [],
    moduleContexts: [],
    lastMessageAgeMs: null,
    incidents: [],
    statuses: [],
    commands: [],
    events: [],
    queues: { statuses: 0, commands: 0, unansweredCommands: 0 },
    counts: {
      sessionsStarted: 1,
      sessionsFailed: 0,
      statusesReceived: 0,
      statusesForwarded: 0,
      statusesNotForwarded: 0,
      statusesAnswered: 0,
      commandsSent: 0,
      commandsRefused: 0,
      commandsDropped: 0,
      moduleCallsFailed: 0,
      messagesRejected: 0,
    } as CarDetail["counts"],
    history: [],
    ...different,
  };
}

/** Of whoever has logged in. */
const COOKIE = "login=1";

type Stream = ReadableStreamDefaultController<Uint8Array>;

/** `await using server = PageServer.start(cars, key)`. */
export class PageServer implements AsyncDisposable {
  /** What `/api/v1/cars/{car}` answers. */
  readonly details = new Map<string, CarDetail>();
  /** What may be done with the key, or without one where there is none. */
  scope: LogInView["scope"] = "admin";
  /** What was called, and what methods answer. */
  readonly calls: { readonly method: string; readonly params: unknown }[] = [];
  readonly answers = new Map<string, { readonly result: unknown } | { readonly error: unknown }>();
  /** What a new stream begins with. */
  cars: readonly CarSummary[];
  openIncidents: readonly IncidentView[] = [];
  map: Fleet["map"] = { tiles: "", attribution: "" };
  /** What `/api/v1/tracks` answers. */
  tracks: readonly TrackView[] = [];
  readonly #key: string | undefined;
  readonly #streams = new Set<Stream>();
  readonly #followers = new Set<Stream>();
  /** What was asked of the event log by those who follow it. */
  readonly followed: string[] = [];
  readonly #encoder = new TextEncoder();
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #port = 0;

  private constructor(cars: readonly CarSummary[], key: string | undefined) {
    this.cars = cars;
    this.#key = key;
  }

  /** Listens on a free port of 127.0.0.1. */
  static start(cars: readonly CarSummary[], key?: string): PageServer {
    const server = new PageServer(cars, key);
    server.listen();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** How many pages listen. */
  get listeners(): number {
    return this.#streams.size;
  }

  /** Listens, on the same port as before. */
  listen(): void {
    const options = { hostname: "127.0.0.1", port: this.#port, onListen() {} };
    const app = new Hono().use(secureHeaders(headersFor(() => this.map.tiles)));
    app.all("*", ({ req }) => this.#answer(req.raw));
    this.#server = Deno.serve(options, (request) => app.fetch(request));
    this.#port = this.#server.addr.port;
  }

  /** Resolves when a page listens. */
  async listened(): Promise<void> {
    await waitFor(() => this.#streams.size > 0, "a page that listens");
  }

  /** Sends events to every page, all at once. */
  send(...events: readonly ServerEvent[]): void {
    for (const stream of this.#streams) stream.enqueue(this.#encode(...events));
  }

  /** A car's row is another now. */
  sendCar(car: CarSummary): void {
    this.cars = this.cars.map((old) => old.car === car.car ? car : old);
    this.send({ type: "car", at: Date.now(), car });
  }

  /** Goes away in the middle of everything. */
  async stop(): Promise<void> {
    for (const stream of [...this.#streams, ...this.#followers]) stream.close();
    this.#streams.clear();
    this.#followers.clear();
    await this.#server?.shutdown();
    this.#server = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #session(method: string): Response {
    const age = method === "DELETE" ? "; Max-Age=0" : "";
    const headers = { "set-cookie": `${COOKIE}; HttpOnly; SameSite=Strict${age}` };
    const csrfToken = this.#key === undefined ? null : "token";
    return Response.json({ name: "desk", scope: this.scope, csrfToken } satisfies LogInView, {
      headers: method === "GET" ? {} : headers,
    });
  }

  #call({ method, params }: { readonly method: string; readonly params: unknown }): Response {
    this.calls.push({ method, params });
    return Response.json({ jsonrpc: "2.0", id: 1, ...this.answers.get(method) });
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const asset = assets.get(pathname);
    if (asset) return new Response(asset.body, { headers: { "content-type": asset.type } });
    const given = request.headers.get("authorization");
    const isLoggedIn = request.headers.get("cookie") === COOKIE;
    if (this.#key !== undefined && given !== `Bearer ${this.#key}` && !isLoggedIn) {
      return refusal(401, "unauthorized", "The key is wrong");
    }
    if (pathname === "/login") return this.#session(request.method);
    if (pathname === "/rpc") return this.#call(await request.json());
    if (pathname === "/api/v1/events") return this.#stream();
    if (pathname === "/api/v1/history/events/live") return this.#follow(request.url);
    if (pathname === "/api/v1/tracks") return Response.json(this.tracks);
    const detail = this.details.get(decodeURIComponent(pathname.replace("/api/v1/cars/", "")));
    return detail ? Response.json(detail) : refusal(404, "not_found", "No such car is configured");
  }

  /** Tells whoever follows the event log. */
  happens(event: ListedEventView): void {
    const bytes = this.#encoder.encode(`data: ${JSON.stringify(event)}\n\n`);
    for (const follower of this.#followers) follower.enqueue(bytes);
  }

  #follow(url: string): Response {
    let mine: Stream | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (stream) => {
        mine = stream;
        this.#followers.add(stream);
        stream.enqueue(this.#encoder.encode(":\n\n"));
        this.followed.push(new URL(url).search);
      },
      cancel: () => {
        if (mine) this.#followers.delete(mine);
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  #stream(): Response {
    let mine: Stream | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (stream) => {
        mine = stream;
        this.#streams.add(stream);
        stream.enqueue(this.#encode({ type: "fleet", ...this.#fleet() }));
      },
      cancel: () => {
        if (mine) this.#streams.delete(mine);
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  #fleet(): Fleet {
    return someFleet(this.cars, { openIncidents: [...this.openIncidents], map: this.map });
  }

  #encode(...events: readonly ServerEvent[]): Uint8Array {
    const blocks = events.map((event) =>
      `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
    );
    return this.#encoder.encode(blocks.join(""));
  }
}

function refusal(status: number, code: Problem["code"], detail: string): Response {
  const body: Problem = { type: "about:blank", title: "Refused", status, detail, code };
  return Response.json(body, { status });
}
