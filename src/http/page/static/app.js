// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
// The page: which view is shown, what its head says, and when something is drawn.
import { CarPage } from "./car_page.js";
import { AuditPage } from "./audit_page.js";
import { ClusterPage } from "./cluster_page.js";
import { CommandsPage } from "./commands_page.js";
import { ConfigPage } from "./config_page.js";
import { Connection } from "./connection.js";
import { byId, say } from "./dom.js";
import { Fleet } from "./fleet.js";
import { FleetPage } from "./fleet_page.js";
import { formatCount, formatMs, formatTime } from "./format.js";
import { HistoryPage, wantedOf } from "./history_page.js";
import { Announcer } from "./incidents.js";
import { KeyForm } from "./key_form.js";
import { MapPage } from "./map_page.js";
import { operator } from "./operator.js";
import { SinksPage } from "./sinks_page.js";
import { WallPage } from "./wall_page.js";
import { DEFAULT_SORT } from "./sorting.js";
import { conditionOf, rankOf } from "./car_condition.js";

/** @typedef {import("./connection.js").LinkState} LinkState */
/** @typedef {import("../../api/event_schemas.ts").ServerEvent} ServerEvent */

const CAR_ROUTE = "#/cars/";
const AUDIT_ROUTE = "#/actions";
const COMMANDS_ROUTE = "#/commands";
const HISTORY_ROUTE = "#/history";
const SINKS_ROUTE = "#/sinks";
const CONFIG_ROUTE = "#/config";
const CLUSTER_ROUTE = "#/cluster";
const WALL_ROUTE = "#/wall";
const MAP_ROUTE = "#/map";
/** Ages, and what was news, are looked at that often. */
const TICK_MS = 5000;
/** A car whose rank is this or less needs attention. */
const ATTENTION = 3;

const fleet = new Fleet();
const announcer = new Announcer(byId("announcer"));
const connection = new Connection(onEvent, onLink);
const main = byId("main");

/** @type {LinkState} */
let link = { kind: "connecting" };
/** @typedef {KeyForm | FleetPage | CarPage | AuditPage | CommandsPage | HistoryPage | SinksPage | ClusterPage | ConfigPage | WallPage | MapPage} View */

/** @type {View | null} */
let view = null;
/** Where the list of cars was left. */
let listHash = "#/";
/** The car that was looked at last. @type {string | null} */
let lastCar = null;
let drawing = false;

/** Shows what the address says, once there is something to show. */
function route() {
  if (link.kind === "refused" || fleet.company === "") return;
  const { hash } = location;
  const first = view === null || view instanceof KeyForm;
  if (hash.startsWith(CAR_ROUTE)) {
    lastCar = decoded(hash.slice(CAR_ROUTE.length));
    const page = new CarPage(fleet, lastCar, listHash, () => connection.start());
    change(page);
    page.focus();
  } else if (hash.startsWith(AUDIT_ROUTE)) {
    const wanted = new URLSearchParams(hash.slice(AUDIT_ROUTE.length).replace(/^\?/, ""));
    const page = new AuditPage(fleet, wanted.get("car") ?? "", listHash);
    change(page);
    page.focus();
  } else if (hash.startsWith(COMMANDS_ROUTE)) {
    const wanted = new URLSearchParams(hash.slice(COMMANDS_ROUTE.length).replace(/^\?/, ""));
    const page = new CommandsPage(fleet, wanted.get("car") ?? "", listHash);
    change(page);
    page.focus();
  } else if (hash.startsWith(HISTORY_ROUTE)) {
    const words = new URLSearchParams(hash.slice(HISTORY_ROUTE.length).replace(/^\?/, ""));
    const page = new HistoryPage(fleet, wantedOf(words), listHash, (wanted) => {
      history.replaceState(null, "", `${HISTORY_ROUTE}?${new URLSearchParams(wanted)}`);
    });
    change(page);
    page.focus();
  } else if (hash === SINKS_ROUTE) {
    const page = new SinksPage(fleet, listHash);
    change(page);
    page.focus();
  } else if (hash === CONFIG_ROUTE) {
    const page = new ConfigPage(fleet, listHash);
    change(page);
    page.focus();
  } else if (hash === CLUSTER_ROUTE) {
    const page = new ClusterPage(fleet, listHash);
    change(page);
    page.focus();
  } else if (hash === WALL_ROUTE) {
    const page = new WallPage(fleet);
    change(page);
    page.focus();
  } else if (hash === MAP_ROUTE) {
    const page = new MapPage(fleet, listHash);
    change(page);
    page.focus();
  } else {
    listHash = hash === "" ? "#/" : hash;
    const page = new FleetPage(fleet, viewOf(listHash), (wanted) => {
      listHash = hashOf(wanted);
      history.replaceState(null, "", listHash);
    });
    change(page);
    if (!first) page.focus(lastCar);
  }
  showTitle();
}

/** @param {View} next */
function change(next) {
  view?.stop();
  view = next;
  main.replaceChildren(next.element);
}

/** @param {LinkState} state */
function onLink(state) {
  link = state;
  const text = {
    connecting: "Connecting",
    live: "Live",
    lost: "Connection lost",
    refused: "Locked",
  };
  byId("link").dataset["link"] = state.kind;
  say(byId("link-text"), text[state.kind]);
  document.body.classList.toggle("stale", state.kind === "lost");
  if (state.kind === "live") void operator.refresh();
  const lost = state.kind === "lost"
    ? `No connection to the server since ${formatTime(state.since, Date.now())}` +
      (state.why === "" ? ". " : `: ${state.why}. `) +
      "What you see is old. Trying again by itself."
    : "";
  say(byId("lost"), lost);
  // What was known of the broker is old as well.
  if (state.kind === "lost") say(byId("broker"), "");
  if (state.kind === "refused") {
    operator.forget();
    say(byId("broker"), "");
    const form = new KeyForm(state.problem, async (key) => {
      const refused = await operator.logIn(key);
      if (refused === "") connection.start();
      return refused;
    });
    change(form);
    form.focus();
    showTitle();
  }
}

/** @param {ServerEvent} event */
function onEvent(event) {
  const { company, map: { tiles } } = fleet;
  fleet.apply(event);
  // The page may only load images that were allowed when it was loaded itself.
  if (company !== "" && tiles !== fleet.map.tiles) location.reload();
  if (drawing) return;
  drawing = true;
  // Whatever comes until then is drawn at once; nothing is while nobody sees the page.
  requestAnimationFrame(draw);
}

function draw() {
  drawing = false;
  const changes = fleet.takeChanges();
  // Not at once when the fleet has come: to read it is enough work for one task.
  if (view === null || (view instanceof KeyForm && link.kind === "live")) route();
  say(byId("company"), fleet.company);
  byId("cluster").hidden = fleet.instance === null;
  byId("company").title = `External Server ${fleet.version}`;
  say(byId("clock"), formatTime(fleet.now(), fleet.now()));
  const { statuses, responseMeanMs, responseMaxMs } = fleet.rates;
  const response = responseMeanMs === null
    ? ""
    : ` \u00b7 response ${formatMs(responseMeanMs)}, longest ${formatMs(responseMaxMs)}`;
  say(byId("totals"), `${formatCount(statuses)} statuses/s${response}`);
  view?.update(changes);
  announcer.add(changes.incidents);
  if (!changes.fleet && changes.cars.size === 0) return;
  showBroker();
  showTitle();
}

/** Says when the broker is away, without numbers, so that it is said once. */
function showBroker() {
  const cars = [...fleet.cars.values()].filter((car) => car.state !== "STOPPED");
  const away = cars.filter((car) => conditionOf(car) === "broker").length;
  const text = away > 0 && away === cars.length
    ? "The broker is away: no car can be reached. The server tries again by itself."
    : "";
  say(byId("broker"), text);
}

function showTitle() {
  const bad = [...fleet.cars.values()].filter((car) => rankOf(car) <= ATTENTION).length;
  const page = view?.title ?? "";
  const words = [page, fleet.company, "External Server"].filter((word) => word !== "");
  document.title = (bad > 0 ? `(${bad}) ` : "") + words.join(" \u2013 ");
}

/**
 * What the list of cars is asked to show.
 *
 * @param {string} hash such as `#/?show=incident&find=bus&sort=-rate`
 * @returns {import("./fleet_page.js").View}
 */
function viewOf(hash) {
  const wanted = new URLSearchParams(hash.replace(/^#\/?\??/, ""));
  const sort = wanted.get("sort") ?? DEFAULT_SORT;
  return {
    show: wanted.get("show") ?? "",
    find: wanted.get("find") ?? "",
    sort: sort.replace(/^-/, ""),
    down: sort.startsWith("-"),
  };
}

/** @param {import("./fleet_page.js").View} wanted */
function hashOf({ show, find, sort, down }) {
  const words = new URLSearchParams();
  if (show !== "") words.set("show", show);
  if (find !== "") words.set("find", find);
  if (down || sort !== DEFAULT_SORT) words.set("sort", (down ? "-" : "") + sort);
  return words.size === 0 ? "#/" : `#/?${words}`;
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {View | null} shown */
function leadsBack(shown) {
  return [CarPage, WallPage, MapPage].some((page) => shown instanceof page);
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const typing = event.target instanceof HTMLInputElement;
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  // A question takes the keys.
  if (document.querySelector("dialog[open]") !== null) return;
  if (event.key === "/" && !typing && view instanceof FleetPage) {
    event.preventDefault();
    view.focusFilter();
  } else if (event.key === "Escape" && leadsBack(view)) {
    location.hash = listHash;
  }
}

globalThis.addEventListener("hashchange", route);
globalThis.addEventListener("keydown", onKey);
globalThis.addEventListener("online", () => connection.retry());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) connection.retry();
});
operator.onChange = () => {
  byId("log-out").hidden = !operator.isOpen;
  byId("log-out").title = operator.isOpen ? `Logged in with the key ${operator.name}` : "";
  byId("audit").hidden = operator.name === "";
  view?.tick();
};
byId("log-out").addEventListener("click", async () => {
  const refused = await operator.logOut();
  if (refused === "") connection.start();
  else say(byId("lost"), `Cannot log out: ${refused}.`);
});
// The address says which view is shown, so a jump within the page must not change it.
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
setInterval(() => {
  view?.tick();
  operator.tick();
}, TICK_MS);
// What may be done is known before anything is shown, so that nothing moves later.
await operator.load();
connection.start();
