/** Plants known defects one at a time, and counts the seeds until an oracle finds each. */
import { cp, mkdtemp, readFile, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { projectRoot } from '../helpers/project.ts';
import { simulateRange } from './pool.ts';
import type { FailedSeed } from './summary.ts';

export const defectsFolder = `${projectRoot}/test/simulation/defects`;
/** Parts of a checkout that the simulation reads. */
const copied = ['package.json', 'configs', 'workflows', 'activities', 'test/simulation', 'test/chaos', 'test/helpers'];

/** A patch of defects/. The text before its diff says what is wrong. */
interface Defect {
  name: string;
  title: string;
}

export interface DefectResult extends Defect {
  /** Seeds until the first violation; undefined if none of them found the defect. */
  seeds: number | undefined;
  failure: FailedSeed | undefined;
}

export async function listDefects(): Promise<Defect[]> {
  const names = (await readdir(defectsFolder)).filter((file) => file.endsWith('.patch')).sort();
  return Promise.all(
    names.map(async (file) => {
      const [title = ''] = (await readFile(`${defectsFolder}/${file}`, 'utf8')).split('\n', 1);
      return { name: file.replace(/\.patch$/, ''), title };
    }),
  );
}

/** Simulates a copy of the checkout with one defect until an oracle is violated. */
export async function huntDefect(
  defect: Defect,
  { seeds, jobs }: { seeds: number; jobs: number },
): Promise<DefectResult> {
  return withDefect(defect, async (checkout) => {
    const range = { from: 1, count: seeds, jobs, stopsAtViolation: true, onProgress: () => undefined };
    const [failure] = (await simulateRange(checkout, range)).failures;
    return { ...defect, seeds: failure?.seed, failure };
  });
}

/** Copies the checkout and applies the patch of a defect to the copy. */
async function withDefect<T>({ name }: Defect, use: (checkout: string) => Promise<T>): Promise<T> {
  const checkout = await mkdtemp(`${tmpdir()}/everswin-defect-`);
  try {
    for (const path of copied) await cp(`${projectRoot}/${path}`, `${checkout}/${path}`, { recursive: true });
    await symlink(`${projectRoot}/node_modules`, `${checkout}/node_modules`);
    await execa('git', ['apply', '--recount', '-C1', `${defectsFolder}/${name}.patch`], { cwd: checkout });
    return await use(checkout);
  } finally {
    await rm(checkout, { recursive: true, force: true });
  }
}
