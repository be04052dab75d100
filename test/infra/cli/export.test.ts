import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { homeFolders, runFolder } from '../../../configs/paths.ts';
import type { OnnxExport } from '../../../configs/schema/index.ts';
import { projectRoot } from '../../helpers/project.ts';

const answer: OnnxExport = {
  v: 1,
  ok: true,
  input: { width: 1344, height: 800 },
  fit: { width: 1333, height: 800 },
  bytes: 8_400_000,
  pictures: 'validation',
  images: 10,
  detections: 34,
  largest: { scores: 6.26e-7, boxes: 4.2e-5, masks: 0 },
  seconds: 1,
};
const dataKey = 'a'.repeat(64);

let folder: string;
let home: string;
beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-export-`);
  home = `${folder}/home`;
  // Stands for the trainer's Python: writes its arguments as the file, and refuses the size 64x64.
  const { tool, dataset } = homeFolders(home);
  const python = tool('python');
  const bin = python.replace(/\/python$/, '');
  await mkdir(bin, { recursive: true });
  const script = `#!/bin/sh
all="$*"
while [ $# -gt 0 ]; do case "$1" in --out) out=$2;; --into) into=$2;; --size) size=$2;; esac; shift; done
echo "$all" > "$into"
if [ "$size" = 64x64 ]; then echo '{"v": 1, "ok": false, "problem": "They differ."}' > "$out"; exit; fi
cp "${bin}/answer.json" "$out"
`;
  await writeFile(python, script);
  await chmod(python, 0o755);
  await writeFile(`${bin}/answer.json`, JSON.stringify(answer));
  const run = runFolder(home, 'shapes');
  await mkdir(run.detector, { recursive: true });
  await writeFile(`${run.detector}/config.py`, '');
  await writeFile(run.references, JSON.stringify({ v: 1, objects: [], datasets: [dataKey] }));
  await mkdir(dataset(dataKey), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true }));

const start = (...argv: string[]) =>
  execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, 'export', ...argv], {
    cwd: folder,
    env: { EVERSWIN_HOME: home },
    reject: false,
  });

test('export compares on the validation data of the run and never replaces a file', async () => {
  const { exitCode, stdout, stderr } = await start('run:shapes', '--format', 'onnx', '--size', '1344X800');
  expect([exitCode, stderr]).toEqual([0, '']);
  const file = `${folder}/shapes.onnx`;
  expect(stdout.split('\n')).toEqual([
    'Input     1344x800 pixels (width x height): pictures are resized to fit 1333x800, and padded',
    'Compared  10 validation images with 34 detections: onnxruntime differs from MMDetection by at most 6.3e-7 in scores, 4.2e-5 pixels in boxes, 0.0e+0 in mask probabilities',
    `ONNX      ${file} (8.4 MB)`,
  ]);
  expect(await readFile(file, 'utf8')).toContain(`--size 1344x800 --data ${homeFolders(home).dataset(dataKey)}`);
  const again = await start('shapes', '--format', 'onnx');
  expect([again.exitCode, again.stderr]).toEqual([2, `${file} exists already. Name a new file with --out.`]);
});

test.each([
  [['shapes', '--format', 'onnx', '--size', '64x64', '--out', 'new.onnx'], 'They differ.'],
  [['shapes', '--format', 'onnx', '--size', '100x64', '--out', 'new.onnx'], 'multiples of 32'],
  [['shapes', '--format', 'torch'], 'Allowed choices are onnx'],
  [['shape', '--format', 'onnx', '--out', 'new.onnx'], 'did you mean "shapes"?'],
])('export %j exits with 2 and leaves no file', async (argv, message) => {
  const { exitCode, stderr } = await start(...argv);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  expect((await readdir(folder)).filter((name) => /scratch|new/.test(name))).toEqual([]);
});
