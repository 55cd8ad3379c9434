// The commands that a page tells its readers to type, found wherever they stand in it.

/** What a command begins with where it stands in the middle of a string. */
const COMMAND =
  /^([A-Z_]+=\S+ )*((npx|deno|docker|apt-get|external-server|source|systemctl|check|doctor) |make( |$)|--help$)/;
/** A heading of a table whose first column is commands of the program, with or without options. */
const COMMAND_TABLE = /^\|\s*command\s*\|/;

/** Returns every command of a string in Markdown, each once, in the order in which they stand there. */
export function commandsIn(markdown: string): string[] {
  const found: string[] = [];
  const prose: string[] = [];
  let fence: string | undefined;
  let table = false;
  for (const line of markdown.split("\n")) {
    const [, language] = /^```(\w*)$/.exec(line) ?? [];
    if (language !== undefined) {
      fence = fence === undefined ? language : undefined;
    } else if (fence !== undefined) {
      found.push(...blockCommand(line, fence));
    } else {
      table = COMMAND_TABLE.test(line) || table && line.startsWith("|");
      if (table) found.push(...codeIn(line.split("|")[1] ?? ""));
      prose.push(line);
    }
  }
  found.push(...codeIn(prose.join("\n")).filter((code) => COMMAND.test(code)));
  return [...new Set(found)];
}

/** Shell blocks hold nothing else; in others a command stands among what it prints or means. */
function blockCommand(line: string, language: string): string[] {
  const [command = ""] = line.split(/ +# |^# | {2,}/);
  const isCommand = language === "sh" ? command !== "" : COMMAND.test(command);
  return isCommand ? [command.trim()] : [];
}

function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code.replaceAll(/\s+/g, " "));
}
