import { readdir } from 'node:fs/promises';
import { readProcFile } from './proc-file.ts';

/** Lists all descendants of a process, across sessions and process groups. */
export async function listDescendants(pid: number): Promise<number[]> {
  const children = new Map<number, number[]>();
  for (const [child, parent] of await listParents()) children.set(parent, [...(children.get(parent) ?? []), child]);
  const found: number[] = [];
  const pending = [pid];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const ownChildren = children.get(next) ?? [];
    found.push(...ownChildren);
    pending.push(...ownChildren);
  }
  return found;
}

/** Reads the parent of each process: field 4 of /proc/<pid>/stat, counted after the last `)`. */
export async function listParents(): Promise<[child: number, parent: number][]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid): Promise<[number, number][]> => {
      const stat = await readProcFile(Number(pid), 'stat');
      const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
      return parent === undefined ? [] : [[Number(pid), Number(parent)]];
    }),
  );
  return found.flat();
}
