// What a process and all its descendants use, read from /proc.

/** CPU time is counted in ticks of 10 ms on every Linux there is. */
const TICK_US = 10_000;

/** The process and all its descendants that live now. */
export function treeOf(pid: number): number[] {
  const pids = [pid];
  for (let i = 0; i < pids.length; i++) {
    for (const task of entries(`/proc/${pids[i]}/task`)) {
      const children = read(`/proc/${pids[i]}/task/${task}/children`).trim();
      if (children !== "") pids.push(...children.split(" ").map(Number));
    }
  }
  return pids;
}

/** User and system time of the processes since they were started, in microseconds. */
export function cpuUs(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    // What follows the name in parentheses, which may hold spaces itself.
    const fields = read(`/proc/${pid}/stat`).split(") ").pop()?.split(" ") ?? [];
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks * TICK_US;
}

/** Memory that is theirs alone, in bytes. */
export function privateBytes(pids: readonly number[]): number {
  let kilobytes = 0;
  for (const pid of pids) {
    for (const match of read(`/proc/${pid}/smaps_rollup`).matchAll(/^Private_\w+: +(\d+)/gm)) {
      kilobytes += Number(match[1]);
    }
  }
  return kilobytes * 1024;
}

/** Resident memory, in bytes, with what processes share counted for each. */
export function residentBytes(pids: readonly number[]): number {
  return sum(pids, (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(status(pid))?.[1] ?? 0) * 1024);
}

export function threadCount(pids: readonly number[]): number {
  return sum(pids, (pid) => Number(/^Threads:\s+(\d+)/m.exec(status(pid))?.[1] ?? 0));
}

/** Open file descriptors. */
export function fileCount(pids: readonly number[]): number {
  return sum(pids, (pid) => entries(`/proc/${pid}/fd`).length);
}

/** CPU time all processes of the machine have used, in microseconds. */
export function machineCpuUs(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = read("/proc/stat")
    .split("\n", 1)[0]?.split(/ +/).slice(1).map(Number) ?? [];
  return (user + nice + system + irq + softirq) * TICK_US;
}

function status(pid: number): string {
  return read(`/proc/${pid}/status`);
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0);
}

/** Empty when the process has just ended. */
function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function entries(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch {
    return [];
  }
}
