/** The oracle must detect each way in which an undisturbed run is tampered with afterwards. */
import { appendFile, cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runFolder, type RunFolder } from '../../configs/paths.ts';
import { miniPlan } from '../helpers/mini-run.ts';
import { fakeTrainerPath, python } from '../helpers/project.ts';
import { hashFile } from './job-record.ts';
import { readReference, checkFolder, type Reference } from './oracle.ts';

const keepLast = 2;
const hashState = (path: string) => Promise.resolve(hashFile(path) ?? 'missing');

let home: string;
let reference: Reference;
let folder: RunFolder;
let count = 0;

beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-oracle-`);
  const { root, plan, train, test } = runFolder(home, 'good');
  await mkdir(root, { recursive: true });
  await writeFile(plan, JSON.stringify({ ...miniPlan, checkpoint: { everyMinutes: 10, keepLast } }));
  await trainer('train', '--plan', plan, '--job-dir', train.dir);
  await trainer('test', '--plan', plan, '--job-dir', test.dir, '--checkpoint', `${train.checkpoints}/e003-i000030.pth`);
  reference = await readReference(runFolder(home, 'good'), hashState, 1);
});
afterAll(() => rm(home, { recursive: true, force: true }));

beforeEach(async () => {
  const name = `tampered-${count++}`;
  folder = runFolder(home, name);
  await cp(runFolder(home, 'good').root, folder.root, { recursive: true });
});

test('checkFolder accepts a run equal to the reference', async () => {
  expect(await violations()).toEqual([]);
});

test('checkFolder detects a missing step', async () => {
  await rewriteProgress((lines) => lines.filter((line) => !line.includes('"iteration":17,')));
  expect(await violations()).toEqual([expect.stringMatching(/^O3: expected "step 17 .* got "step 18 /)]);
});

test('checkFolder detects a repeated step', async () => {
  await rewriteProgress((lines) => lines.flatMap((line) => (line.includes('"iteration":17,') ? [line, line] : [line])));
  expect(await violations()).toEqual([expect.stringMatching(/^O3: expected "step 18 .* got "step 17 /)]);
});

test('checkFolder ignores a step that a later start discarded', async () => {
  await rewriteProgress((lines) => {
    const at = lines.findIndex((line) => line.includes('"iteration":17,'));
    const started =
      lines.find((line) => line.includes('"type":"started"'))?.replace('"iteration":0', '"iteration":16') ?? '';
    return [...lines.slice(0, at + 1), started, ...lines.slice(at)];
  });
  expect(await violations()).toEqual([]);
});

test('checkFolder detects a different loss', async () => {
  await rewriteProgress((lines) => lines.map((line) => line.replace(/("iteration":9,"loss":)/, '$11')));
  expect(await violations()).toEqual([expect.stringMatching(/^O3: expected "step 9 /)]);
});

test('checkFolder detects a repeated validation', async () => {
  await rewriteProgress((lines) => lines.flatMap((line) => (line.includes('"validation"') ? [line, line] : [line])));
  expect(await violations()).toEqual([expect.stringMatching(/^O3: /)]);
});

test('checkFolder detects different weights', async () => {
  const path = `${folder.train.checkpoints}/e003-i000030.pth`;
  await appendFile(path, '.');
  const got = await violations();
  expect(got).toContainEqual(expect.stringMatching(/^O1: the final weights are /));
  expect(got).toContainEqual('O6: e003-i000030.pth is not what its manifest says');
});

test('checkFolder detects a final checkpoint without manifest', async () => {
  await rm(`${folder.train.checkpoints}/e003-i000030.json`);
  const got = await violations();
  expect(got).toContainEqual('O1: expected the final checkpoint to be e003-i000030.pth, got e002-i000020.pth');
  expect(got).toContainEqual('O6: e003-i000030.pth was acknowledged and is gone, with 0 newer ones');
});

test('checkFolder accepts a missing checkpoint only if enough newer ones exist', async () => {
  expect(await readdir(folder.train.checkpoints)).not.toContain('e001-i000010.pth');
  await rm(`${folder.train.checkpoints}/e002-i000020.json`);
  expect(await violations()).toContainEqual('O6: e002-i000020.pth was acknowledged and is gone, with 1 newer ones');
});

test('checkFolder detects different metrics', async () => {
  const metrics = JSON.parse(await readFile(folder.metrics, 'utf8')) as Record<string, unknown>;
  await writeFile(folder.metrics, JSON.stringify({ ...metrics, images: 7 }));
  expect(await violations()).toEqual([expect.stringMatching(/^O2: /)]);
});

test('checkFolder ignores the duration in the metrics', async () => {
  const metrics = JSON.parse(await readFile(folder.metrics, 'utf8')) as Record<string, unknown>;
  await writeFile(folder.metrics, JSON.stringify({ ...metrics, seconds: 99 }));
  expect(await violations()).toEqual([]);
});

test.each([
  'train/checkpoints/.e003-i000030.pth.part',
  'test/.metrics.json.part',
  'plan.json.1.tmp',
  'train/watcher.json',
])('checkFolder detects the leftover %s', async (name) => {
  await writeFile(`${folder.root}/${name}`, '');
  expect(await violations()).toEqual([`O4: ${name} was left behind`]);
});

const violations = () => checkFolder({ reference, folder, keepLast, hashState });

async function rewriteProgress(change: (lines: string[]) => string[]): Promise<void> {
  const lines = (await readFile(folder.train.progress, 'utf8')).split('\n');
  await writeFile(folder.train.progress, change(lines).join('\n'));
}

const trainer = (...argv: string[]) =>
  execa(python, ['-m', 'fake_trainer', ...argv], { env: { PYTHONPATH: fakeTrainerPath } });
