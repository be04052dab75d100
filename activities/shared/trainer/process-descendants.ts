import { readdir, readFile } from 'node:fs/promises';

/** All processes below one, whatever session they sit in. */
export async function listDescendants(pid: number): Promise<number[]> {
  const children = new Map<number, number[]>();
  for (const [child, parent] of await listParents()) children.set(parent, [...(children.get(parent) ?? []), child]);
  const found: number[] = [];
  const waiting = [pid];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const below = children.get(next) ?? [];
    found.push(...below);
    waiting.push(...below);
  }
  return found;
}

/** Field 4 of /proc/<pid>/stat, counted behind the last `)`: the name before it may hold blanks. */
async function listParents(): Promise<[child: number, parent: number][]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid): Promise<[number, number][]> => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''); // it ended meanwhile
      const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
      return parent === undefined ? [] : [[Number(pid), Number(parent)]];
    }),
  );
  return found.flat();
}
