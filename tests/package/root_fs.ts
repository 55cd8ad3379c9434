// A root file system with what the image gcr.io/distroless/cc-debian12:nonroot holds, or that of
// Debian 13, made from the same Debian packages, and programs that run in it as its unprivileged user.
import { join } from "node:path";
import { program } from "../e2e/server_process.ts";
import { TempFolder } from "../support/temp.ts";

/** What the image is made of; nothing else: no shell, no tools. */
const PACKAGES = [
  "base-files",
  "ca-certificates",
  "libc6",
  "libgcc-s1",
  "libgomp1",
  "libstdc++6",
  "netbase",
  "tzdata",
];
/** Those whose names change from release to release. */
const RELEASES = {
  bookworm: ["gcc-12-base", "libssl3"],
  trixie: ["gcc-14-base", "libssl3t64"],
} as const;

/** A release of Debian. */
export type Release = keyof typeof RELEASES;

/** The image's user. */
export const NONROOT = 65532;

const FILES: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n" +
    "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n" +
    `nonroot:x:${NONROOT}:${NONROOT}:nonroot:/home/nonroot:/sbin/nologin\n`,
  "etc/group": "root:x:0:\nnobody:x:65534:\ntty:x:5:\nstaff:x:50:\n" +
    `nonroot:x:${NONROOT}:\n`,
  "etc/nsswitch.conf": "hosts: files dns\n",
  "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
};

/** What a container engine adds. */
const DEVICES = ["null", "zero", "urandom"];

/** Where the program is, as in the image. */
const PROGRAM = "usr/local/bin/external-server";

/**
 * Runs in a mount namespace of its own, as a user and in a folder: the root file system and the
 * host's /proc; everything read-only but for what the arguments before "--" name.
 */
const ENTER = `set -e
root="$1"; user="$2"; folder="$3"; shift 3
mount --bind "$root" "$root"
mount --bind /proc "$root/proc"
for device in ${DEVICES.join(" ")}; do mount --bind "/dev/$device" "$root/dev/$device"; done
mount -o remount,bind,ro "$root"
while [ "$1" != -- ]; do mount --bind "$root-writable/$1" "$root/$1"; shift; done
shift
exec unshare --root="$root" --wd="$folder" --setuid="$user" --setgid="$user" "$@"`;

/** Why no program can be run in a root file system here; undefined where it can. */
export function reasonNotToEnter(): string | undefined {
  if (Deno.env.get("EXTERNAL_SERVER_BINARY") === undefined) return "no compiled program";
  if (Deno.uid() !== 0) return "not root";
  if (!succeeds("dpkg-deb", "--version")) return "no dpkg-deb";
  if (!succeeds("c++", "--version")) return "no C++ compiler";
  const attempt = ["--mount", "mount", "--bind", "/proc", "/mnt"];
  return succeeds("unshare", ...attempt) ? undefined : "mounting is not permitted";
}

function succeeds(command: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** How something runs inside. */
export interface EnterOptions {
  /** Folders that {@linkcode RootFs.makeWritable} has made. @default {none} */
  readonly writable?: readonly string[];
  /** @default {NONROOT} */
  readonly user?: number;
  /** The working directory. @default {"/"} */
  readonly folder?: string;
  /** What runs, before further arguments. @default {the program} */
  readonly argv?: readonly string[];
}

/** The tree on disk; `await using` removes it. */
export class RootFs implements AsyncDisposable {
  readonly #folder: TempFolder;

  private constructor(folder: TempFolder) {
    this.#folder = folder;
  }

  /** Makes the tree, with the compiled program in it. */
  static async make(release: Release = "bookworm"): Promise<RootFs> {
    const root = await RootFs.makeBase(release);
    const [binary] = program();
    await Deno.copyFile(binary, root.path(PROGRAM));
    await Deno.chmod(root.path(PROGRAM), 0o755);
    return root;
  }

  /** Makes the tree as the base image is. */
  static async makeBase(release: Release = "bookworm"): Promise<RootFs> {
    const root = new RootFs(await TempFolder.make());
    try {
      await root.#fill(release);
      return root;
    } catch (error) {
      await root[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The path of a file in the tree, for those outside. */
  path(name: string): string {
    return join(this.#folder.file("root"), name);
  }

  /** The path of a file in a writable folder, for those outside. */
  writable(name: string): string {
    return join(this.#folder.file("root-writable"), name);
  }

  /** Puts a string into the tree, readable for everybody. */
  async write(name: string, text: string): Promise<void> {
    const path = this.path(name);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeTextFile(path, text);
    await Deno.chmod(path, 0o644);
  }

  /** Makes a folder that a run may write to when it is named to {@linkcode command}. */
  async makeWritable(name: string, user = NONROOT): Promise<void> {
    for (const path of [this.path(name), this.writable(name)]) {
      await Deno.mkdir(path, { recursive: true });
    }
    await Deno.chown(this.writable(name), user, user);
  }

  /** What to start so that the program runs inside; it keeps the process id. */
  command(options: EnterOptions = {}): readonly [command: string, args: readonly string[]] {
    const { writable = [], user = NONROOT, folder = "/", argv = [`/${PROGRAM}`] } = options;
    const how = [this.path("."), `${user}`, folder, ...writable, "--", ...argv];
    return ["unshare", ["--mount", "sh", "-c", ENTER, "sh", ...how]];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }

  async #fill(release: Release): Promise<void> {
    // Others must be able to walk through the temporary folder.
    await Deno.chmod(this.#folder.path, 0o755);
    const packages = this.#folder.file("packages");
    for (
      const folder of [packages, this.path("proc"), this.path("dev"), this.path("usr/local/bin")]
    ) {
      await Deno.mkdir(folder, { recursive: true });
    }
    const source = await this.#packageSource(release);
    const apt = ["-q", "-o", "APT::Sandbox::User=root", ...source];
    const download = [...apt, "download", ...PACKAGES, ...RELEASES[release]];
    try {
      await run("apt-get", download, packages);
    } catch {
      // A fresh machine has no lists of packages.
      await run("apt-get", [...apt, "update"], packages);
      await run("apt-get", download, packages);
    }
    for await (const { name } of Deno.readDir(packages)) {
      await run("dpkg-deb", ["-x", name, this.path(".")], packages);
    }
    for (const [name, text] of Object.entries(FILES)) await this.write(name, text);
    for (const name of DEVICES) await this.write(`dev/${name}`, "");
    await this.#trustAuthorities();
    await this.makeWritable("tmp");
  }

  /** Where packages come from, apart from the machine's own where its release is another. */
  async #packageSource(release: Release): Promise<string[]> {
    if ((await Deno.readTextFile("/etc/os-release")).includes(`=${release}\n`)) return [];
    const keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    const list = `deb [signed-by=${keys}] http://deb.debian.org/debian ${release} main\n`;
    const folder = this.#folder.file("apt");
    for (const name of ["lists/partial", "cache/archives/partial"]) {
      await Deno.mkdir(join(folder, name), { recursive: true });
    }
    await Deno.writeTextFile(join(folder, "sources.list"), list);
    const options = {
      "Dir::Etc::sourcelist": join(folder, "sources.list"),
      "Dir::Etc::sourceparts": "-",
      "Dir::State::lists": join(folder, "lists"),
      "Dir::Cache": join(folder, "cache"),
    };
    return Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  }

  /** What the package's own script does when it is installed. */
  async #trustAuthorities(): Promise<void> {
    const folder = this.path("usr/share/ca-certificates/mozilla");
    let all = "";
    for await (const { name } of Deno.readDir(folder)) {
      all += await Deno.readTextFile(join(folder, name));
    }
    await this.write("etc/ssl/certs/ca-certificates.crt", all);
  }
}

export async function run(command: string, args: string[], cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, cwd }).output();
  if (!success) throw new Error(`Cannot run "${command}": ${new TextDecoder().decode(stderr)}`);
}
