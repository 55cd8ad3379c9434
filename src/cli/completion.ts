// `completion`: prints a script that completes commands, options and files in a shell.
//
// The scripts are generated from the description of the command line, so they are always complete.
import type { Command, Option } from "commander";

/** The supported shells. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

export type Shell = (typeof SHELLS)[number];

/** What a value may be: a file, one of some words, or any text. */
type Place = "file" | "text" | readonly string[];

/** An option of a command. */
interface CompletedOption {
  /** Such as `-c` and `--config`. */
  readonly flags: readonly string[];
  readonly summary: string;
  /** What follows it; absent: nothing. */
  readonly value?: Place;
}

/** A command; the one without a name is the default. */
export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  /** What its own argument is, if it has one. */
  readonly argument?: Place;
}

/** Describes a program and its options; the default command comes first. */
export function describeProgram(program: Command): CompletedCommand[] {
  return [
    describeCommand(program, ""),
    ...program.commands.map((command) => describeCommand(command, command.name())),
  ];
}

function describeCommand(command: Command, name: string): CompletedCommand {
  const [argument] = command.registeredArguments;
  return {
    name,
    summary: command.description(),
    options: command.createHelp().visibleOptions(command).map(describeOption),
    ...(argument === undefined ? {} : { argument: place(argument.name(), argument.argChoices) }),
  };
}

function describeOption(option: Option): CompletedOption {
  const { short, long, flags, description: summary, argChoices } = option;
  const value = /[<[]([^\]>]+)[\]>]/.exec(flags)?.[1];
  return {
    flags: [short, long].filter((flag) => typeof flag === "string"),
    summary,
    ...(value === undefined ? {} : { value: place(value, argChoices) }),
  };
}

/** Derived from the argument's name, such as `<file>`. */
function place(name: string, choices: readonly string[] | undefined): Place {
  return choices ?? (/file|config|dir/.test(name) ? "file" : "text");
}

/** Writes the script for a shell. */
export function completionScript(shell: Shell, commands: readonly CompletedCommand[]): string {
  return { bash, zsh, fish }[shell](commands);
}

const PROGRAM = "external-server";
const FUNCTION = "_external_server";

function bash(commands: readonly CompletedCommand[]): string {
  const names = namesOf(commands);
  const values = commands.flatMap(({ name, options }) =>
    options.filter(({ value }) => value !== undefined).map(({ flags, value }) =>
      `    ${flags.map((flag) => quote(`${name} ${flag}`)).join(" | ")}) ${
        bashPlace(value)
      }; return ;;`
    )
  );
  const flags = commands.map(({ name, options }) =>
    `      ${quote(name)}) ${bashPlace(options.flatMap((option) => option.flags))} ;;`
  );
  const others = commands.map(({ name, argument }) =>
    `    ${quote(name)}) ${bashPlace(argument)} ;;`
  );
  return `# Completion for bash: source <(${PROGRAM} completion bash)
${FUNCTION}_words() {
  mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$1" -- "$current")
}
${FUNCTION}_files() {
  compopt -o filenames
  mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
}
${FUNCTION}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "\${COMP_WORDS[1]}" in
      ${names.join(" | ")}) command="\${COMP_WORDS[1]}" ;;
    esac
  fi
  case "$command \${COMP_WORDS[COMP_CWORD - 1]}" in
${values.join("\n")}
  esac
  if [[ "$current" == -* ]]; then
    case "$command" in
${flags.join("\n")}
    esac
    return
  fi
  if [ "$COMP_CWORD" -eq 1 ]; then ${bashPlace(names)}; fi
  case "$command" in
${others.join("\n")}
  esac
}
complete -F ${FUNCTION} ${PROGRAM}
`;
}

function bashPlace(place: Place | undefined): string {
  if (place === "file") return `${FUNCTION}_files`;
  if (place === undefined || place === "text") return ":";
  return `${FUNCTION}_words ${quote(place.join(" "))}`;
}

function zsh(commands: readonly CompletedCommand[]): string {
  const [first, ...named] = commands;
  const lines = named.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`);
  return `#compdef ${PROGRAM}
# Completion for zsh: source <(${PROGRAM} completion zsh), after compinit
${FUNCTION}() {
  local -a commands=(
${lines.join("\n")}
  )
  if (( CURRENT == 2 )) && [[ "$words[2]" != -* ]]; then _describe command commands; fi
  case "$words[2]" in
${
    named.map((command) => zshCase(command.name, command, "shift words; (( CURRENT-- )); ")).join(
      "\n",
    )
  }
${first === undefined ? "" : zshCase("*", first, "")}
  esac
}
if [ "$funcstack[1]" = ${FUNCTION} ]; then ${FUNCTION} "$@"; else compdef ${FUNCTION} ${PROGRAM}; fi
`;
}

function zshCase(pattern: string, command: CompletedCommand, before: string): string {
  const specs = command.options.flatMap(({ flags, summary, value }) =>
    flags.map((flag) => quote(`${flag}[${zshText(summary)}]${zshPlace(value)}`))
  );
  if (command.argument !== undefined) specs.push(quote(`*${zshPlace(command.argument)}`));
  return `    ${pattern}) ${before}_arguments -s \\\n      ${specs.join(" \\\n      ")} ;;`;
}

function zshPlace(place: Place | undefined): string {
  if (place === undefined) return "";
  if (place === "file") return ":file:_files";
  return place === "text" ? ":value: " : `:value:(${place.join(" ")})`;
}

function zshText(text: string): string {
  return text.replaceAll(/[[\]:\\]/g, "\\$&");
}

function fish(commands: readonly CompletedCommand[]): string {
  const names = namesOf(commands);
  const lines = [`# Completion for fish: ${PROGRAM} completion fish | source`];
  const add = (...parts: string[]) => lines.push(`complete -c ${PROGRAM} ${parts.join(" ")}`);
  add("-f");
  for (const { name, summary, options, argument } of commands) {
    const known = `__fish_seen_subcommand_from ${name === "" ? names.join(" ") : name}`;
    const condition = `-n ${quote(name === "" ? `not ${known}` : known)}`;
    if (name !== "") add("-n __fish_use_subcommand", `-a ${name}`, `-d ${quote(summary)}`);
    if (argument !== undefined) add(condition, fishPlace(argument));
    for (const option of options) {
      const flags = option.flags.map((flag) =>
        flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`
      );
      const value = option.value === undefined
        ? []
        : [option.value === "file" ? "-r" : "-x", fishPlace(option.value)];
      add(condition, ...flags, ...value, `-d ${quote(option.summary)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function fishPlace(place: Place): string {
  if (place === "file") return "-F";
  return place === "text" ? "" : `-a ${quote(place.join(" "))}`;
}

function namesOf(commands: readonly CompletedCommand[]): string[] {
  return commands.map(({ name }) => name).filter((name) => name !== "");
}

/** In all three shells, single quotes protect everything but themselves. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
