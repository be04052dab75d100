import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { homeFolders, runFolder } from '../../../configs/paths.ts';
import type { Predictions } from '../../../configs/schema/index.ts';
import { projectRoot } from '../../helpers/project.ts';
import { until } from '../../helpers/until.ts';

const answer: Predictions = {
  v: 1,
  ok: true,
  images: [
    { file: 'a <b>.png', picture: 'pictures/a <b>.png.jpg', width: 4, height: 3, found: { disc: 2, 'R&D': 1 } },
    { file: 'c.jpg', picture: 'pictures/c.jpg', width: 4, height: 3, found: {} },
  ],
  detections: 3,
  skipped: [{ file: 'bad.jpg', reason: 'is truncated' }],
  seconds: 1,
};

let folder: string;
let home: string;
beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-predict-`);
  home = `${folder}/home`;
  // Stands for the trainer's Python: writes the answer that lies next to it, or hangs.
  const python = homeFolders(home).tool('python');
  const bin = python.replace(/\/python$/, '');
  await mkdir(bin, { recursive: true });
  const script = `#!/bin/sh
while [ $# -gt 0 ]; do case "$1" in --out) out=$2;; --images) images=$2;; esac; shift; done
if grep -q hang "$images"; then touch "${folder}/hangs"; exec sleep 60; fi
if grep -q none "$images"; then echo '{"v": 1, "ok": false, "problem": "No image found:"}' > "$out"; exit; fi
cp "${bin}/answer.json" "$out"
`;
  await writeFile(python, script);
  await chmod(python, 0o755);
  await writeFile(`${bin}/answer.json`, JSON.stringify(answer));
  await mkdir(runFolder(home, 'shapes').detector, { recursive: true });
  await writeFile(`${runFolder(home, 'shapes').detector}/config.py`, '');
  const card = 'Measured on 8 validation images of a with b.\n| AP | c | 0.701 | 0.640 |\n';
  await writeFile(`${runFolder(home, 'shapes').detector}/MODEL_CARD.md`, card);
  await mkdir(runFolder(home, 'training').root);
  await mkdir(`${folder}/photos`);
  await mkdir(`${folder}/shapes`); // data of the run, in a folder with its name
});
afterAll(() => rm(folder, { recursive: true }));

const start = (...argv: string[]) =>
  execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, 'predict', ...argv], {
    cwd: folder,
    env: { EVERSWIN_HOME: home },
    reject: false,
    forceKillAfterDelay: false,
  });

test('predict writes a gallery, names skipped images and exits with 1', async () => {
  const { exitCode, stdout, stderr } = await start('shapes', 'photos', '--device', 'cpu');
  expect([exitCode, stderr]).toEqual([1, 'Skipped:\n- bad.jpg is truncated']);
  const page = `${folder}/predictions-shapes/index.html`;
  expect(stdout.split('\n').at(-1)).toBe(`Gallery   ${page}`);
  const html = await readFile(page, 'utf8');
  const quality = 'This detector reached box AP 0.701 and mask AP 0.640 on 8 validation images.';
  expect(stdout).toContain(`\n${quality}\n`);
  expect(html).toContain(quality);
  expect(html).toContain('src="pictures/a%20%3Cb%3E.png.jpg"');
  expect(html).toContain('2 disc, 1 R&amp;D');
  expect(html).toContain('nothing found');
  await start(runFolder(home, 'shapes').root, 'photos', '--device', 'cpu');
  expect(existsSync(`${folder}/predictions-shapes-2/index.html`)).toBe(true);
});

test.each([
  [['shape', 'photos'], 'No folder, finished run or model is named shape: did you mean "shapes"?'],
  [['run:none', 'photos'], 'No folder, finished run or model is named run:none. There are: shapes.'],
  [
    ['training', 'photos'],
    'There is no detector yet, because run training has not trained: it failed or was cancelled before that',
  ],
  [['photos', 'photos'], 'photos is not a detector: it has no config.py.'],
  [['./gone', 'photos'], './gone does not exist.'],
  [['shapes', 'photos', '--out', 'home'], `home exists already. Name a new folder with --out.`],
  [['shapes', 'photos', '--score', '30'], 'Expected a score from 0 to 1'],
  [['shapes'], "missing required argument 'image'"],
  [['shapes', 'none.jpg', '--device', 'cpu', '--out', 'new'], 'No image found:'],
])('predict %j exits with 2 and says why', async (argv, message) => {
  const { exitCode, stderr } = await start(...argv);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  expect((await readdir(folder)).filter((name) => /scratch|new/.test(name))).toEqual([]);
});

test('predict leaves no process and no file when interrupted', async () => {
  const running = start('shapes', 'hang.jpg', '--device', 'cpu', '--out', 'interrupted');
  await until(() => Promise.resolve(existsSync(`${folder}/hangs`) || undefined));
  running.kill('SIGINT');
  const { exitCode, stderr } = await running;
  expect([exitCode, stderr]).toEqual([130, 'Interrupted. Nothing was written.']);
  expect((await readdir(folder)).filter((name) => /scratch|interrupted/.test(name))).toEqual([]);
});
