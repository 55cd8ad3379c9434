// Reads options of a command line as numbers, lists and files; problems are collected, not thrown.

import { describeFileError, MAX_PEM_BYTES, readText } from "../text/mod.ts";

/** Options as commander returns them; absent when not given. */
export type RawOptions = Readonly<Record<string, string | boolean | undefined>>;

export class OptionReader {
  readonly #raw: RawOptions;
  readonly #problems: string[] = [];

  constructor(raw: RawOptions) {
    this.#raw = raw;
  }

  /** One line each, with the option and the value found. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  text(name: string): string | undefined {
    const value = this.#raw[name];
    return typeof value === "string" ? value : undefined;
  }

  flag(name: string): boolean {
    return this.#raw[name] === true;
  }

  /** A number in a closed range. */
  number(
    name: string,
    range: { min: number; max: number; integer?: boolean },
  ): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = text.trim() === "" ? NaN : Number(text);
    const { min, max, integer = false } = range;
    if (value >= min && value <= max && (!integer || Number.isInteger(value))) return value;
    this.problem(name, `${integer ? "a whole number" : "a number"} from ${min} to ${max}`, text);
    return undefined;
  }

  /** Whole numbers, separated by commas. */
  numbers(name: string, range: { min: number; max: number }): number[] | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const { min, max } = range;
    const values = text.split(",").map((part) => part.trim() === "" ? NaN : Number(part));
    if (values.every((value) => Number.isInteger(value) && value >= min && value <= max)) {
      return values;
    }
    this.problem(name, `whole numbers from ${min} to ${max} separated by commas`, text);
    return undefined;
  }

  /** A company's name becomes the first level of a topic. */
  name(name: string): string | undefined {
    const text = this.text(name);
    if (text === undefined || /^[a-z0-9_]+$/.test(text)) return text;
    this.problem(name, "lowercase letters, digits and underscores", text);
    return undefined;
  }

  /** The name of a PEM file that can be read. */
  async file(name: string): Promise<string | undefined> {
    return await this.fileText(name, MAX_PEM_BYTES) === undefined ? undefined : this.text(name);
  }

  /** What is in a file. */
  async fileText(name: string, maxBytes: number): Promise<string | undefined> {
    const path = this.text(name);
    if (path === undefined) return undefined;
    try {
      return await readText(path, { maxBytes });
    } catch (error) {
      this.problem(name, `a readable file (${describeFileError(error)})`, path);
      return undefined;
    }
  }

  /** Options that cannot be combined with another one. */
  refuse(names: readonly string[], beside: string): void {
    for (const name of names) {
      const text = this.text(name);
      if (text !== undefined) this.problem(name, `no value together with ${beside}`, text);
    }
  }

  problem(name: string, expected: string, found: string): void {
    const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    this.say(`--${option}: Expected ${expected}: found "${found}"`);
  }

  say(problem: string): void {
    this.#problems.push(problem);
  }
}
