// What Linux tells of processes and their pipes (proc(5)).

import { constants, readdirSync, readFileSync, type Stats, statSync } from "node:fs";

interface ProcessEntry {
  readonly pid: number;
  readonly name: string;
  /** The parent's pid, 0 if it is outside of this namespace. */
  readonly parent: number;
  readonly session: number;
}

/** The name may hold blanks and brackets, so it ends with the last bracket (proc_pid_stat(5)). */
const STAT = /^\d+ \((?<name>.*)\) \S (?<parent>\d+) \d+ (?<session>\d+) /s;

/** @throws the system's error if the process has ended */
export function readProcess(pid: number): ProcessEntry {
  const groups = STAT.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.groups;
  if (groups === undefined) throw new Error(`/proc/${pid}/stat cannot be read`);
  const { name = "", parent, session } = groups;
  return { pid, name, parent: Number(parent), session: Number(session) };
}

/** The pids of this namespace. */
export function listProcesses(): number[] {
  return readdirSync("/proc").filter(isNumber).map(Number);
}

function isNumber(name: string): boolean {
  return /^\d+$/.test(name);
}

/** The processes that a process has started, and those that they have started. */
export function descendantsOf(ancestor: number): number[] {
  const parents = new Map<number, number>();
  for (const pid of listProcesses()) {
    try {
      parents.set(pid, readProcess(pid).parent);
    } catch {
      // It has ended meanwhile.
    }
  }
  const family = new Set([ancestor]);
  let size = 0;
  while (size < family.size) {
    size = family.size;
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid);
  }
  family.delete(ancestor);
  return [...family];
}

/** The same as listPipes, or nothing. */
export function listPipesIfAllowed(pid: number): Pipe[] {
  try {
    return listPipes(pid);
  } catch {
    return []; // It has ended meanwhile, or belongs to another user.
  }
}

export interface Pipe {
  readonly descriptor: number;
  readonly path: string;
  /** The same for both ends of one pipe, and for no other pipe. */
  readonly id: string;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
}

/**
 * The pipes that a process has open. The mode counts, too: steps inherit both pipes by which the
 * worker talks to its parent.
 */
export function listPipes(pid: number): Pipe[] {
  const descriptors = readdirSync(`/proc/${pid}/fd`).filter(isNumber).map(Number);
  const pipes = descriptors.map((descriptor) => readPipe(pid, descriptor));
  return pipes.filter((pipe) => pipe !== undefined);
}

function readPipe(pid: number, descriptor: number): Pipe | undefined {
  const path = `/proc/${pid}/fd/${descriptor}`;
  try {
    const stats = statSync(path);
    if (!stats.isFIFO()) return undefined;
    const info = readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, "utf8");
    const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(info)?.[1] ?? "", 8);
    const mode = flags & (constants.O_WRONLY | constants.O_RDWR);
    const isReadable = mode === constants.O_RDONLY || mode === constants.O_RDWR;
    const isWritable = mode === constants.O_WRONLY || mode === constants.O_RDWR;
    return { descriptor, path, id: idOf(stats), isReadable, isWritable };
  } catch {
    return undefined; // It was closed meanwhile.
  }
}

/** The same for both ends of one pipe, and for no other pipe. */
export function idOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

/** The ids of the pipes that are open for reading. */
export function idsOfReadable(pipes: readonly Pipe[]): Set<string> {
  return new Set(pipes.filter(({ isReadable }) => isReadable).map(({ id }) => id));
}
