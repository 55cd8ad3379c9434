// @ts-check
/// <reference lib="dom" />
// Who uses the page, and what that allows. The browser keeps a cookie that no script reads, and the
// page keeps nothing: after a reload it asks the server again.
import { ask, messageOf } from "./connection.js";

/** @typedef {import("../../access/log_in_routes.ts").LogInView} LogInView */

const PATH = "/login";
const CALL_MS = 60_000;
/** What was asked so lately is not asked again. */
const FRESH_MS = 5000;
/** A screen that is on for months stays logged in. */
const RENEW_MS = 12 * 3_600_000;

class Operator {
  /** @type {LogInView | null} */
  #view = null;
  #renewedAt = 0;
  /** Called when it is another one. */
  onChange = () => {};

  /** Whether somebody can log out. */
  get isOpen() {
    return this.#view !== null && this.#view.csrfToken !== null;
  }

  get name() {
    return this.#view?.name ?? "";
  }

  /** Whether cars may be paused, resumed and restarted. */
  get mayOperate() {
    return this.#view !== null && this.#view.scope !== "read";
  }

  /** Asks who it is, and makes the log-in last. */
  async load() {
    try {
      const response = await ask(PATH, AbortSignal.timeout(CALL_MS));
      if (response.ok) this.#set(await response.json());
      this.#renewedAt = Date.now();
    } catch {
      // The connection is lost, which the page says.
    }
  }

  /** Does so again when that was not just now. */
  async refresh() {
    if (Date.now() - this.#renewedAt > FRESH_MS) await this.load();
  }

  /** Does so again from time to time. */
  tick() {
    if (this.#view !== null && Date.now() - this.#renewedAt > RENEW_MS) void this.load();
  }

  /**
   * Logs in.
   *
   * @param {string} key
   * @returns {Promise<string>} why not; empty when it was done
   */
  async logIn(key) {
    try {
      const response = await ask(PATH, AbortSignal.timeout(CALL_MS), {
        method: "POST",
        headers: { authorization: `Bearer ${key}` },
      });
      if (response.status === 401) return "The server refused this key: it has no such key.";
      if (!response.ok) return `The server refuses to answer: ${await messageOf(response)}.`;
      this.#set(await response.json());
      this.#renewedAt = Date.now();
      return "";
    } catch {
      return "The server does not answer: try again.";
    }
  }

  /**
   * Logs out.
   *
   * @returns {Promise<string>} why not; empty when it was done
   */
  async logOut() {
    try {
      const response = await ask(PATH, AbortSignal.timeout(CALL_MS), {
        method: "DELETE",
        headers: this.#headers(),
      });
      // Who is not logged in any more wanted just that.
      if (!response.ok && response.status !== 401) return await messageOf(response);
      this.forget();
      return "";
    } catch {
      return "the server does not answer";
    }
  }

  forget() {
    this.#set(null);
  }

  /**
   * Calls a method of JSON-RPC.
   *
   * @param {string} method
   * @param {unknown} params
   * @returns {Promise<any>} the result
   * @throws an Error whose message is for people
   */
  async call(method, params) {
    const response = await ask("/rpc", AbortSignal.timeout(CALL_MS), {
      method: "POST",
      headers: { "content-type": "application/json", ...this.#headers() },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    if (!response.ok) throw new Error(await messageOf(response));
    const { result, error } = await response.json();
    if (error !== undefined) throw new Error(error.message);
    return result;
  }

  /** @returns {Record<string, string>} */
  #headers() {
    const token = this.#view?.csrfToken ?? null;
    return token === null ? {} : { "x-csrf-token": token };
  }

  /** @param {LogInView | null} view */
  #set(view) {
    this.#view = view;
    this.onChange();
  }
}

export const operator = new Operator();
