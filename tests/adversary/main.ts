// An attack as a process of its own: `main.ts NAME OPTIONS`, options as JSON. Prints its counts as a
// line of JSON once it has begun, and for each line it reads; ends with its standard input.
import { readLines } from "../support/lines.ts";
import { type AttackName, ATTACKS } from "./attacks.ts";

const [name = "", options = "{}"] = Deno.args;
const begin = ATTACKS[name as AttackName] as (options: unknown) => ReturnType<typeof ATTACKS.flood>;
await using attack = await begin(JSON.parse(options));
const encoder = new TextEncoder();
const print = () => Deno.stdout.writeSync(encoder.encode(`${JSON.stringify(attack.counts)}\n`));
print();
for await (const _ of readLines(Deno.stdin.readable)) print();
