// @ts-check
// Takes a text stream apart into server-sent events. A browser's EventSource would do that, but it
// cannot send the key.

/** No event is that large, in characters: a list of 10,000 cars has some 6 million. */
const MAX_EVENT = 16 * 1024 * 1024;

/** Collects text and gives the `data` of each event that is complete. */
export class EventParser {
  /** The line that is not complete yet. */
  #line = "";
  /** @type {string[]} */
  #data = [];
  #size = 0;

  /**
   * Takes the next piece of text.
   *
   * @param {string} text
   * @returns {string[]} the data of every event this completes
   * @throws {RangeError} when an event is larger than any should be
   */
  push(text) {
    const events = [];
    const lines = text.split("\n");
    for (let index = 0; index < lines.length - 1; index++) {
      const line = this.#line + lines[index];
      this.#line = "";
      const data = this.#take(line.endsWith("\r") ? line.slice(0, -1) : line);
      if (data !== null) events.push(data);
    }
    this.#line += lines[lines.length - 1] ?? "";
    if (this.#size + this.#line.length > MAX_EVENT) {
      throw new RangeError(`Cannot take an event of more than ${MAX_EVENT} characters`);
    }
    return events;
  }

  /**
   * @param {string} line
   * @returns {string | null}
   */
  #take(line) {
    if (line === "") {
      if (this.#data.length === 0) return null;
      const data = this.#data.join("\n");
      this.#data = [];
      this.#size = 0;
      return data;
    }
    // Nothing else is needed: the server sends only a type beside, and that stands in the data, too.
    if (line.startsWith("data:")) {
      const data = line.slice(line.startsWith("data: ") ? 6 : 5);
      this.#data.push(data);
      this.#size += data.length;
    }
    return null;
  }
}
