// @ts-check
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
// The connection to the server: opens the stream of events, notices when it is lost, comes back.
import { EventParser } from "./event_parser.js";

/** @typedef {import("../../api/event_schemas.ts").ServerEvent} ServerEvent */
/**
 * @typedef {{kind: "connecting"}
 *   | {kind: "live"}
 *   | {kind: "lost", since: number, retryAt: number, why: string}
 *   | {kind: "refused", problem: string}} LinkState
 */

/** The server says something every second: after so long without, it is gone. */
const SILENCE_MS = 20_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Asks the server for something; the browser adds the cookie of the log-in.
 *
 * @param {string} path
 * @param {AbortSignal} signal
 * @param {RequestInit} [init]
 */
export function ask(path, signal, init = {}) {
  return fetch(path, { ...init, signal, cache: "no-store", credentials: "same-origin" });
}

/**
 * What a refusing answer says, for people.
 *
 * @param {Response} response
 * @returns {Promise<string>}
 */
export async function messageOf(response) {
  try {
    const message = (await response.json())?.detail;
    if (typeof message === "string") return message;
  } catch {
    // Not the server's own answer, but that of something between.
  }
  return `status ${response.status}`;
}

/** Keeps the stream of events open for as long as it is wanted. */
export class Connection {
  /** @type {(event: ServerEvent) => void} */
  #onEvent;
  /** @type {(state: LinkState) => void} */
  #onState;
  /** Of the attempt that runs; a new one takes its place. */
  #abort = new AbortController();
  /** Ends the pause before the next attempt. */
  #hurry = () => {};
  /** @type {number | null} */
  #lostSince = null;
  #failures = 0;

  /**
   * @param {(event: ServerEvent) => void} onEvent
   * @param {(state: LinkState) => void} onState
   */
  constructor(onEvent, onState) {
    this.#onEvent = onEvent;
    this.#onState = onState;
  }

  /** Connects, and again whenever the connection is lost, until `stop` or a refusal. */
  start() {
    this.stop();
    this.#abort = new AbortController();
    this.#failures = 0;
    this.#lostSince = null;
    this.#onState({ kind: "connecting" });
    this.#run(this.#abort.signal);
  }

  stop() {
    this.#abort.abort();
    this.#hurry();
  }

  /** Tries at once, if it is pausing. */
  retry() {
    this.#hurry();
  }

  /** @param {AbortSignal} stopped */
  async #run(stopped) {
    while (!stopped.aborted) {
      let why;
      try {
        const response = await this.#open(stopped);
        if (response === null) return;
        why = response;
      } catch (error) {
        why = error instanceof RangeError || error instanceof SyntaxError ? error.message : "";
      }
      if (stopped.aborted) return;
      await this.#pause(why);
    }
  }

  /**
   * One connection, from its beginning to its end.
   *
   * @param {AbortSignal} stopped
   * @returns {Promise<string | null>} why it ended; null when the server wants a log-in
   */
  async #open(stopped) {
    const gone = new AbortController();
    const watch = { heardAt: Date.now() };
    const watching = setInterval(() => {
      if (Date.now() - watch.heardAt > SILENCE_MS) gone.abort(new Error("nothing was heard"));
    }, 1000);
    const stop = () => gone.abort(stopped.reason);
    stopped.addEventListener("abort", stop);
    try {
      const response = await ask("/api/v1/events", gone.signal);
      if (response.status === 401 || response.status === 403) {
        const why = await messageOf(response);
        if (stopped.aborted) return null;
        const problem = response.status === 403 ? `The server refuses to answer: ${why}.` : "";
        this.#onState({ kind: "refused", problem });
        return null;
      }
      if (!response.ok || response.body === null) return await messageOf(response);
      await this.#read(response.body, watch, stopped);
      return "";
    } finally {
      clearInterval(watching);
      stopped.removeEventListener("abort", stop);
      gone.abort();
    }
  }

  /**
   * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
   * @param {{heardAt: number}} watch
   * @param {AbortSignal} stopped
   */
  async #read(body, watch, stopped) {
    const parser = new EventParser();
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || stopped.aborted) return;
      watch.heardAt = Date.now();
      for (const data of parser.push(value)) {
        /** @type {ServerEvent} */
        const event = JSON.parse(data);
        // Nothing is known before the whole fleet is.
        if (event.type === "fleet") {
          this.#failures = 0;
          this.#lostSince = null;
          this.#onState({ kind: "live" });
        }
        try {
          this.#onEvent(event);
        } catch (error) {
          // A defect of the page is no reason to connect anew.
          reportError(error);
        }
      }
    }
  }

  /**
   * Pauses ever longer, and never as long as another page that lost the server at the same time.
   *
   * @param {string} why
   */
  async #pause(why) {
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures++);
    const pauseMs = longest * (0.5 + Math.random() / 2);
    const now = Date.now();
    this.#lostSince ??= now;
    this.#onState({ kind: "lost", since: this.#lostSince, retryAt: now + pauseMs, why });
    /** @type {Promise<void>} */
    const pausing = new Promise((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    await pausing;
  }
}
