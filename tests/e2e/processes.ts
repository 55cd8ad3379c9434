// What the kernel knows about a process: children, open files, threads, memory.

/** Process ids of a process's children, as they are now; none when it is gone. */
export async function childrenOf(pid: number): Promise<number[]> {
  const children: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readOr(`/proc/${name}/stat`, "");
    // "1234 (name, which may have spaces) S 1 ..."
    const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(parent) === pid) children.push(Number(name));
  }
  return children;
}

/** Whether a process runs; one that has ended and was not waited for does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const status = await readOr(`/proc/${pid}/status`, "");
  return status !== "" && !/^State:\s+Z/m.test(status);
}

/** What a process holds. */
export interface Holdings {
  readonly files: number;
  readonly threads: number;
  /** Resident memory, in kB. */
  readonly memoryKb: number;
}

/** What a process holds now. */
export async function holdingsOf(pid: number): Promise<Holdings> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  let files = 0;
  for await (const _ of Deno.readDir(`/proc/${pid}/fd`)) files++;
  return { files, threads: field(status, "Threads"), memoryKb: field(status, "VmRSS") };
}

/** Resident memory of a process and its children, in kB. */
export async function familyMemoryKb(pid: number): Promise<number> {
  const all = await Promise.all([pid, ...await childrenOf(pid)].map(holdingsOf));
  return all.reduce((sum, { memoryKb }) => sum + memoryKb, 0);
}

function field(status: string, name: string): number {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1];
  if (value === undefined) throw new Error(`Cannot find ${name} of a process: ${status}`);
  return Number(value);
}

async function readOr(path: string, otherwise: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    // Processes come and go while they are looked at; "ESRCH" is a plain Error.
    if (error instanceof Error) return otherwise;
    throw error;
  }
}
