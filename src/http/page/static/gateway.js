// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
// The page of a Module Gateway: asks for everything once a second, while somebody looks.
import { ask, messageOf } from "./connection.js";
import { byId, make, say, setAttribute } from "./dom.js";
import { counted, formatAge, formatTime } from "./format.js";
import { KeyForm } from "./key_form.js";
import { makePayload } from "./payload.js";
import { operator } from "./operator.js";
import { SinkCards } from "./sink_cards.js";
import { WideTable } from "./view_parts.js";

/** @typedef {import("../../gateway/schemas.ts").GatewayView} GatewayView */

const EVERY_MS = 1000;
const ANSWER_MS = 10_000;

const endpoints = new WideTable("Endpoints", [
  "endpoint",
  "session",
  "since",
  "devices",
  "unanswered",
  "waiting",
  "last end",
]);
const devices = new WideTable("Devices", [
  "device",
  "name",
  "last status",
  "at",
  "last command",
  "at",
  "waiting",
]);
const modules = new WideTable("Modules", [
  "module",
  "path",
  "processes",
  "waiting calls",
  "slow",
  "lost processes",
  "last loss",
]);
const sinks = new SinkCards(look);
const sinksPart = make("div", { hidden: true }, make("h2", {}, "Sinks"), sinks.element);
const none = make("p", { class: "empty" }, "No device is connected.");
const view = make(
  "div",
  {},
  make("h1", {}, "Cloud"),
  endpoints.element,
  make("h2", {}, "Devices"),
  none,
  devices.element,
  make("h2", {}, "Modules"),
  modules.element,
  sinksPart,
);
const main = byId("main");
const logOut = /** @type {HTMLButtonElement} */ (byId("log-out"));
let isAsking = false;

/**
 * @param {string} link
 * @param {string} text
 */
function showLink(link, text) {
  setAttribute(byId("link"), "data-link", link);
  say(byId("link-text"), text);
}

/** @param {GatewayView} gateway */
function show(gateway) {
  const { at } = gateway;
  say(byId("company"), `${gateway.company} / ${gateway.car}`);
  document.title = `${gateway.car}: Module Gateway`;
  say(
    byId("totals"),
    `${counted(gateway.devices.length, "device")}, ${
      counted(gateway.connections, "connection")
    }, up ${formatAge(at - gateway.startedAt)}`,
  );
  endpoints.show(gateway.endpoints.map((one) => ({
    key: JSON.stringify([one, formatAge(at - one.since)]),
    mark: one.phase === "connected" || one.devices.length === 0 ? "" : "bad",
    cells: () => [
      one.name,
      one.phase.replaceAll("_", " "),
      formatAge(at - one.since),
      String(one.devices.length),
      String(one.unanswered),
      String(one.waitingReports + one.waitingErrors),
      one.lastEnd ?? "",
    ],
  })));
  none.hidden = gateway.devices.length > 0;
  devices.element.hidden = gateway.devices.length === 0;
  devices.show(gateway.devices.map((one) => ({
    key: JSON.stringify(one),
    cells: () => [
      one.id,
      one.name,
      makePayload(one.lastStatus),
      one.lastStatusAt === null ? "" : formatTime(one.lastStatusAt, at),
      makePayload(one.lastCommand),
      one.lastCommandAt === null ? "" : formatTime(one.lastCommandAt, at),
      String(one.waitingCommands + one.waitingCalls),
    ],
  })));
  modules.show(gateway.modules.map((one) => ({
    key: JSON.stringify(one),
    mark: one.slow || one.hosts === 0 ? "bad" : "",
    cells: () => [
      String(one.module),
      one.path,
      String(one.hosts),
      String(one.waitingCalls),
      one.slow ? "yes" : "no",
      String(one.lostHosts),
      one.lastLoss ?? "",
    ],
  })));
  sinksPart.hidden = gateway.sinks.length === 0;
  sinks.show(gateway.sinks, at);
  if (view.parentElement !== main) main.replaceChildren(view);
  showLink("live", "Live");
}

function askForKey() {
  if (main.querySelector(".key") !== null) return;
  const form = new KeyForm("", async (key) => {
    const why = await operator.logIn(key);
    if (why === "") await look();
    return why;
  });
  main.replaceChildren(form.element);
  form.focus();
}

/** Asks once; a request that takes long is not joined by others. */
async function look() {
  if (isAsking || document.hidden) return;
  isAsking = true;
  try {
    const response = await ask("/api/v1/gateway", AbortSignal.timeout(ANSWER_MS));
    if (response.status === 401) {
      await response.body?.cancel();
      showLink("lost", "Needs a key");
      askForKey();
    } else if (!response.ok) showLink("lost", await messageOf(response));
    else show(await response.json());
  } catch {
    showLink("lost", "The gateway does not answer");
  } finally {
    isAsking = false;
  }
}

operator.onChange = () => {
  logOut.hidden = !operator.isOpen;
};
logOut.addEventListener("click", async () => {
  await operator.logOut();
  await look();
});
document.addEventListener("visibilitychange", () => void look());
await operator.load();
await look();
setInterval(() => void look(), EVERY_MS);
