import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { projectRoot } from '../../helpers/project.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(`${tmpdir()}/everswin-modes-`);
});
afterEach(() => rm(root, { recursive: true }));

/** Creates a home under a umask that permits everything, and then a file in it. */
function createHome(home: string): void {
  const module = `${projectRoot}/infra/stack/create-home.ts`;
  const program = `
    import { writeFileSync } from 'node:fs';
    const { createHome } = await import(${JSON.stringify(module)});
    process.umask(0);
    await createHome(${JSON.stringify(home)});
    writeFileSync(${JSON.stringify(home)} + '/new', '');`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
}

const modeOf = async (path: string) => ((await stat(path)).mode & 0o7777).toString(8);

test('only its user can read a new home and what is created in it', async () => {
  createHome(`${root}/a/home`);
  expect(await modeOf(`${root}/a/home`)).toBe('700');
  expect(await modeOf(`${root}/a/home/new`)).toBe('600');
});

test('an existing home loses what others could read, except the way to programs and GPU leases', async () => {
  const home = `${root}/home`;
  for (const name of ['', 'runs', 'gpus', 'tools']) await mkdir(`${home}/${name}`, { recursive: true });
  await writeFile(`${home}/history.db`, '');
  for (const name of ['', 'runs', 'gpus', 'tools', 'history.db']) await chmod(`${home}/${name}`, 0o755);
  createHome(home);
  const modes = ['', 'runs', 'history.db', 'gpus', 'tools'].map((name) => modeOf(`${home}/${name}`));
  expect(await Promise.all(modes)).toEqual(['711', '700', '700', '755', '755']);
});

test('a home to which its group may write stays shared with the group', async () => {
  const home = `${root}/home`;
  await mkdir(`${home}/runs`, { recursive: true });
  await chmod(home, 0o2775);
  await chmod(`${home}/runs`, 0o2775);
  createHome(home);
  expect([await modeOf(home), await modeOf(`${home}/runs`), await modeOf(`${home}/new`)]).toEqual([
    '2770',
    '2770',
    '660',
  ]);
});
