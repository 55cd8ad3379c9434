// @ts-check
/// <reference lib="dom" />
// What the page of a car lists, beside its devices.
import { make } from "./dom.js";
import { counted, formatAge, formatCount, formatMs, formatSpan, formatTime } from "./format.js";
import { makePayload, visible } from "./payload.js";
import { causeText, incidentText } from "./car_condition.js";

/** @typedef {import("../../api/schemas.ts").CarDetail} CarDetail */
/** @typedef {import("../../api/schemas.ts").CarRates} CarRates */
/**
 * @typedef {object} ListRow
 * @property {string} key equal keys mean equal content
 * @property {string} [mark] a class
 * @property {() => (Node | string)[]} cells
 */
/**
 * @typedef {object} CarList
 * @property {string} title
 * @property {readonly string[]} columns
 * @property {string} empty said when there is nothing
 * @property {(car: CarDetail, now: number) => ListRow[]} rows
 */

/**
 * Names and texts.
 *
 * @param {CarDetail} car
 * @param {number} now
 * @returns {[string, string][]}
 */
export function factsOf(car, now) {
  const { queues, counts, rates } = car;
  return [
    ["State", car.state],
    ["Since", `${formatTime(car.since, now)} (${formatAge(now - car.since)})`],
    [
      "Last message",
      car.lastMessageAt === null ? "none yet" : `${formatSpan(now - car.lastMessageAt)} ago`,
    ],
    ["Session", car.sessionId ?? "none"],
    ["Broker", car.brokerConnected ? "connected" : "not connected"],
    ["Operator", car.paused ? "paused" : "running"],
    [
      "Statuses",
      `${formatCount(rates.statuses)}/s, ${counted(queues.statuses, "unanswered", "unanswered")}`,
    ],
    ["Response", rateText(rates)],
    [
      "Commands",
      `${formatCount(rates.commands)}/s, ${formatCount(queues.unansweredCommands)} unanswered, ` +
      `${formatCount(queues.commands)} waiting`,
    ],
    [
      "Since the server started",
      `${counted(counts.sessionsStarted, "session")}, ${
        formatCount(counts.sessionsFailed)
      } failed; ` +
      `${counted(counts.statusesReceived, "status", "statuses")}, ` +
      `${formatCount(counts.statusesNotForwarded)} not forwarded; ` +
      `${counted(counts.commandsSent, "command")}, ${formatCount(counts.commandsRefused)} refused`,
    ],
  ];
}

/** @param {CarRates} rates */
function rateText({ responseMeanMs, responseMaxMs }) {
  if (responseMeanMs === null) return "none in the last second";
  return `mean ${formatMs(responseMeanMs)}, longest ${formatMs(responseMaxMs)}`;
}

/** What nobody may overlook. @type {CarList} */
export const TROUBLE = {
  title: "What is wrong",
  columns: ["Since", "What", "What to do"],
  empty: "Nothing is wrong",
  rows: (car, now) =>
    car.health.causes.map((cause) => {
      const cells = [formatTime(cause.since, now), causeText(cause, now), cause.advice];
      return { key: JSON.stringify(cells), mark: "bad", cells: () => cells };
    }),
};

/** What is looked up, and folded until then. @type {readonly CarList[]} */
export const CAR_LISTS = [
  {
    title: "Last incidents",
    columns: ["Time", "What", "Cars", "What to do"],
    empty: "Nothing has gone wrong since the server started",
    rows: (car, now) =>
      car.incidents.map((incident) => {
        const cells = [
          formatTime(incident.beganAt, now),
          incidentText(incident, now),
          formatCount(incident.carCount),
          incident.advice,
        ];
        return {
          key: JSON.stringify(cells),
          mark: incident.endedAt === null ? "bad" : "",
          cells: () => cells,
        };
      }),
  },
  {
    title: "Last statuses",
    columns: ["Time", "Device", "State", "Counter", "Answered in", "Data", "Error message"],
    empty: "No status yet",
    rows: (car, now) =>
      car.statuses.map((status) => ({
        key: `${status.at} ${status.counter} ${status.device} ${status.responseMs}`,
        mark: status.state === "ERROR" ? "bad" : "",
        cells: () => [
          formatTime(status.at, now),
          visible(status.device),
          status.state,
          String(status.counter),
          status.responseMs === null ? "none" : formatMs(status.responseMs),
          makePayload(status.data),
          status.errorMessage === null ? "" : makePayload(status.errorMessage),
        ],
      })),
  },
  {
    title: "Last commands",
    columns: ["Time", "Device", "Counter", "Response", "After", "Data"],
    empty: "No command yet",
    rows: (car, now) =>
      car.commands.map((command) => ({
        key: `${command.at} ${command.counter} ${command.response}`,
        mark: command.response === null || command.response === "OK" ? "" : "bad",
        cells: () => [
          formatTime(command.at, now),
          visible(command.device),
          String(command.counter),
          command.response ?? "none",
          command.responseMs === null ? "" : formatMs(command.responseMs),
          makePayload(command.data),
        ],
      })),
  },
  {
    title: "Last events",
    columns: ["Time", "Level", "Device", "What"],
    empty: "No event yet",
    rows: (car, now) =>
      car.events.map((event, index) => ({
        // Equal events of one moment are told apart from the oldest on, which stay where they are.
        key: `${event.at} ${event.device} ${event.text} ${
          car.events.slice(index + 1).filter((other) => other.at === event.at).length
        }`,
        mark: event.level === "ERROR" || event.level === "CRITICAL" ? "bad" : "",
        cells: () => [
          formatTime(event.at, now),
          event.level,
          event.device === null ? "" : visible(event.device),
          visible(event.text),
        ],
      })),
  },
  {
    title: "Modules",
    columns: ["Module", "Library", "Host", "Process", "Open calls"],
    empty: "No module",
    rows: (car) =>
      car.moduleContexts.map((module) => ({
        key: JSON.stringify(module),
        mark: module.host === null ? "bad" : "",
        cells: () => [
          String(module.module),
          make("code", {}, module.libPath),
          module.host === null ? "away" : String(module.host),
          module.hostPid === null ? "" : String(module.hostPid),
          String(module.openCalls),
        ],
      })),
  },
];
