// Builds the image of the Dockerfile where there is no container engine: its steps are carried out as
// they stand there. The base image is made of the same Debian packages; the image to build on is this
// machine, with whatever the steps write kept apart from it.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { TempFolder } from "../support/temp.ts";
import { ROOT } from "./desk.ts";
import { RootFs, run } from "./root_fs.ts";

/** One instruction of a Dockerfile. */
interface Step {
  readonly word: string;
  readonly rest: string;
}

/** The last stage of a Dockerfile, and the one that it copies from. */
interface Dockerfile {
  readonly build: readonly Step[];
  readonly image: readonly Step[];
}

/** An image, and how it is run. */
export interface Image extends AsyncDisposable {
  readonly root: RootFs;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly healthCheck: readonly string[];
  readonly folder: string;
}

/** A service of docker-compose.yml, as far as the tests carry it out. */
export interface Service {
  readonly image: string;
  readonly ports: readonly string[];
  readonly volumes?: readonly string[];
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly networks: readonly string[];
  readonly read_only?: boolean;
  readonly tmpfs?: readonly string[];
  readonly user?: string;
  readonly working_dir?: string;
  readonly command?: readonly string[];
}

/** A file for `docker compose`. */
export interface Compose {
  readonly services: Readonly<Record<string, Service & Readonly<Record<string, unknown>>>>;
  readonly configs?: Readonly<Record<string, { readonly content: string }>>;
  readonly networks: Readonly<Record<string, { readonly name: string; readonly external?: true }>>;
}

export async function readCompose(path: string): Promise<Compose> {
  return parse(await Deno.readTextFile(join(ROOT, path))) as Compose;
}

/** Carries out the Dockerfile, in a folder that only what `.dockerignore` lets through is copied to. */
export async function buildImage(): Promise<Image> {
  await using folder = await TempFolder.make();
  const { build, image } = parseDockerfile(await Deno.readTextFile(`${ROOT}Dockerfile`));
  const context = folder.file("context");
  await copyContext(context);
  const root = await RootFs.makeBase();
  const script = [PREPARE, ...shellOf(build, '"$build"'), ...shellOf(image, '"$root"')].join("\n");
  const args = ["--mount", "bash", "-c", script, "bash", folder.file("work"), context];
  await run("unshare", [...args, root.path(".")], ROOT);
  const of = (word: string) => image.findLast((step) => step.word === word)?.rest ?? "";
  const list = (text: string) => JSON.parse(text.slice(text.indexOf("["))) as string[];
  return {
    root,
    entrypoint: list(of("ENTRYPOINT")),
    command: list(of("CMD")),
    healthCheck: list(of("HEALTHCHECK")),
    folder: of("WORKDIR"),
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  };
}

/** What the build stage writes goes to memory; the machine below it stays as it is. */
const PREPARE = `set -eo pipefail
work="$1" context="$2" root="$3" build="$1/root"
mkdir "$work" && mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/work" "$build"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$build"
for path in proc dev; do mount --rbind "/$path" "$build/$path"; done
for file in /etc/resolv.conf /etc/hosts; do mount --bind "$file" "$build$file"; done`;

function parseDockerfile(text: string): Dockerfile {
  const lines = text.replaceAll(/^\s*#.*\n/gm, "").replaceAll(/\\\n\s*/g, "").split("\n");
  const steps = lines.filter((line) => line.trim() !== "").map((line): Step => {
    const [, word = "", rest = ""] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    return { word, rest };
  });
  const stages: Step[][] = [];
  for (const step of steps) {
    if (step.word === "FROM") stages.push([]);
    else if (step.word !== "ARG") stages.at(-1)?.push(step);
  }
  const [build, image, ...more] = stages;
  assert.ok(build !== undefined && image !== undefined && more.length === 0);
  return { build, image };
}

/** The steps as commands of a shell. */
function shellOf(steps: readonly Step[], root: string): string[] {
  let folder = "/";
  return steps.flatMap(({ word, rest }) => {
    switch (word) {
      case "WORKDIR":
        folder = rest;
        return [`mkdir -p ${root}${folder}`];
      case "RUN":
        return [`chroot ${root} sh -c 'cd ${folder} && ${rest}' >&2`];
      case "COPY":
        return copies(rest, folder, root);
      default:
        assert.match(word, /^(HEALTHCHECK|ENTRYPOINT|CMD)$/);
        return [];
    }
  });
}

function copies(rest: string, folder: string, root: string): string[] {
  const words = rest.split(/ +/);
  const isFromStage = words[0] === "--from=build";
  const from = isFromStage ? '"$build"' : '"$context"/';
  const names = words.slice(isFromStage ? 1 : 0);
  const target = names.pop() ?? "";
  const to = `${root}${target.startsWith("/") ? "" : `${folder}/`}${target}`;
  const parent = target.endsWith("/") ? to : dirname(to);
  // What is copied from a folder is what is in it.
  const sources = names.map((name) => `${from}${name}${name.endsWith("/") ? "." : ""}`);
  return [`mkdir -p ${parent}`, ...sources.map((source) => `cp -r ${source} ${to}`)];
}

/** What an engine sends to the builder; the last pattern that matches a path decides. */
async function copyContext(target: string): Promise<void> {
  const patterns = (await Deno.readTextFile(`${ROOT}.dockerignore`)).split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  for (const pattern of patterns) {
    const name = pattern.replace(/^!/, "");
    if (name === "*") continue;
    const to = join(target, name);
    if (!pattern.startsWith("!")) {
      await Deno.remove(to, { recursive: true }).catch(() => {});
      continue;
    }
    await Deno.mkdir(dirname(to), { recursive: true });
    await run("cp", ["-r", name, to], ROOT);
  }
}
