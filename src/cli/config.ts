// `config`: makes keys, signs and verifies configurations, and shows what a source has.
import {
  type Bootstrap,
  ConfigError,
  type ConfigSource,
  configSource,
  isForGateway,
  loadAnyConfig,
  readBootstrap,
} from "../config/mod.ts";
import {
  Cache,
  documentText,
  EnvelopeError,
  makeKeyPair,
  openDocument,
  pull,
  seal,
} from "../config_source/mod.ts";
import { describeFileError, type Output, printText, readText } from "../text/mod.ts";
import { systemClock, wallTime } from "../time/mod.ts";
import { printConfigError, printError, printWarnings } from "./problems.ts";

export const CONFIG_ACTIONS = ["keygen", "sign", "verify", "show-source"] as const;

/** What the command line said. */
export interface ConfigCommandOptions {
  readonly action: typeof CONFIG_ACTIONS[number];
  readonly file: string;
  readonly key?: string;
  readonly publicKey?: string;
  readonly version?: number;
  readonly label?: readonly string[];
}

/** How long `show-source` waits for the source, in milliseconds. */
const PULL_MS = 10_000;
const USAGE_STATUS = 2;

/** @returns the exit status: 0, 1 when it cannot be done, 2 when an option is missing */
export async function runConfig(options: ConfigCommandOptions, output: Output): Promise<number> {
  const { action } = options;
  try {
    if (action === "keygen") return await keygen(options, output);
    if (action === "sign") return await sign(options, output);
    if (action === "verify") return await verify(options, output);
    return await showSource(options, output);
  } catch (error) {
    if (error instanceof ConfigError) printConfigError(error, output);
    else if (error instanceof EnvelopeError) printError(error.message, output);
    else throw error;
    return 1;
  }
}

/** The private key goes into a file that only its owner may read; the public one is printed. */
async function keygen({ file }: ConfigCommandOptions, output: Output): Promise<number> {
  const { privateKey, publicKey } = await makeKeyPair();
  try {
    await Deno.writeTextFile(file, privateKey, { createNew: true, mode: 0o600 });
  } catch (error) {
    const why = error instanceof Deno.errors.AlreadyExists
      ? "there is one already"
      : describeFileError(error);
    printError(`Cannot write the private key to "${file}": ${why}`, output);
    return 1;
  }
  output.err(`The private key is in "${file}": it signs, keep it where no server is`);
  output.err('Its public key; it belongs in "config_source" of each server');
  output.out(`"public_key": ${JSON.stringify(publicKey)}`);
  return 0;
}

async function sign(
  { file, key, version, label: labels = [] }: ConfigCommandOptions,
  output: Output,
): Promise<number> {
  if (key === undefined) return missing("key <file>", output);
  if (version === undefined) return missing("version <n>", output);
  const body = await read(file, output);
  const privateKey = await read(key, output);
  if (body === undefined || privateKey === undefined) return 1;
  // What no server would take is not signed; where libraries are is the servers' matter.
  await openDocument(body, undefined, 0);
  const sealed = await seal({ body, version, labels }, privateKey);
  printText(sealed.trimEnd(), (line) => output.out(line));
  return 0;
}

async function verify(
  { file, publicKey }: ConfigCommandOptions,
  output: Output,
): Promise<number> {
  if (publicKey === undefined) return missing("public-key <key>", output);
  if (!/^ed25519:[A-Za-z0-9+/]{43}=$/.test(publicKey)) {
    output.err("error: --public-key: expected ed25519: and 44 characters of base64", "failed");
    return USAGE_STATUS;
  }
  const text = await read(file, output);
  if (text === undefined) return 1;
  const { info } = await openDocument(text, publicKey, 0);
  const labels = info.labels.length === 0 ? "" : `, labels ${info.labels.join(", ")}`;
  output.out(`ok: signed, ${documentText(info)}${labels}`, "ok");
  return 0;
}

/** What a server with this file would find: at the source, and in its cache. */
async function showSource({ file }: ConfigCommandOptions, output: Output): Promise<number> {
  const bootstrap = await readBootstrap(configSource(file));
  const { section } = bootstrap;
  if (section === undefined) {
    printError(`Cannot show a source of "${file}": it has no "config_source"`, output);
    return 1;
  }
  const { url, apiKeyFile, publicKey, cacheDir, mode } = section;
  output.out(`source    ${url}, mode ${mode}, ${publicKey ? "signed" : "signatures not checked"}`);
  const pulled = await pull({ url, apiKeyFile, etag: null, limitMs: PULL_MS });
  const text = pulled.kind === "text" ? pulled.text : undefined;
  const problem = pulled.kind === "failed" ? pulled.why : undefined;
  const isUsable = await show("it has", text, problem, bootstrap, output);
  const cache = new Cache({ directory: cacheDir, clock: systemClock });
  for (const [title, name] of [["last good", "good"], ["before", "previous"]] as const) {
    await show(
      title,
      (await cache.document(name))?.text,
      "nothing in the cache",
      bootstrap,
      output,
    );
  }
  const journal = await cache.journal();
  for (const { hash, version, why } of journal?.refused ?? []) {
    output.out(`refused   ${documentText({ hash, version })}: ${why}`);
  }
  if (journal?.pin) output.out(`pinned    document ${journal.pin.hash} by ${journal.pin.by}`);
  for (const trouble of cache.troubles) printError(trouble, output);
  return isUsable ? 0 : 1;
}

/** One line about a document: which it is, and whether it could be used. */
async function show(
  title: string,
  text: string | undefined,
  problem: string | undefined,
  { section, source }: Bootstrap,
  output: Output,
): Promise<boolean> {
  const line = (what: string) => output.out(`${title.padEnd(9)} ${what}`);
  if (text === undefined) {
    line(problem ?? "nothing");
    return false;
  }
  try {
    const { info, body } = await openDocument(text, section?.publicKey, wallTime());
    const pulled: ConfigSource = {
      ...source,
      name: title,
      isPulled: true,
      read: () => Promise.resolve(body),
    };
    const loaded = await loadAnyConfig(pulled);
    printWarnings(title, loaded.warnings, output);
    const size = isForGateway(loaded)
      ? counted(loaded.config.modules.length, "module")
      : counted(loaded.config.cars.length, "car");
    line(`${documentText(info)}, usable: ${size}`);
    return true;
  } catch (error) {
    if (error instanceof ConfigError) {
      line("not usable:");
      printConfigError(error, output);
    } else if (error instanceof EnvelopeError) line(`refused: ${error.message}`);
    else throw error;
    return false;
  }
}

function counted(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? "" : "s"}`;
}

async function read(file: string, output: Output): Promise<string | undefined> {
  try {
    return await readText(file);
  } catch (error) {
    printError(`Cannot read "${file}": ${describeFileError(error)}`, output);
    return undefined;
  }
}

function missing(option: string, output: Output): number {
  output.err(`error: required option '--${option}' not specified`, "failed");
  return USAGE_STATUS;
}
