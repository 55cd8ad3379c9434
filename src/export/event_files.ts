// Files of events in a directory, by number.
import { join } from "node:path";

export function fileName(number: number, extension: string): string {
  return `events-${String(number).padStart(6, "0")}.${extension}`;
}

/** The numbers of those with an extension, ascending. */
export async function fileNumbers(directory: string, extension: string): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { name } of Deno.readDir(directory)) {
    const [, number, found] = /^events-(\d{6,})\.(\w+)$/.exec(name) ?? [];
    if (number !== undefined && found === extension) numbers.push(Number(number));
  }
  return numbers.sort((a, b) => a - b);
}

/** Deletes files up to a number. */
export async function deleteOldFiles(
  directory: string,
  extension: string,
  upTo: number,
): Promise<void> {
  const old = (await fileNumbers(directory, extension)).filter((number) => number <= upTo);
  for (const number of old) await Deno.remove(join(directory, fileName(number, extension)));
}
