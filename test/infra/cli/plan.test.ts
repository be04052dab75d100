/** `everswin plan --show-batch`, with a stand-in for the trainer's Python (trainer/tests/training/test_show_batch.py). */
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { MissingFile } from '../../../activities/inputs/find-missing.ts';
import { TrainingImage, type ShownBatch } from '../../../configs/schema/index.ts';
import { drawBatch, plan } from '../../../infra/cli/plan.ts';
import { sampleTrainingImage } from '../../fixtures/sample-analysis.ts';
import { miniDataset, miniPlan, miniPreparer } from '../../helpers/mini-plan.ts';
import { projectRoot } from '../../helpers/project.ts';

let folder: string;
let picture: string;
beforeEach(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-plan-`);
  picture = `${folder}/batch.jpg`;
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await rm(folder, { recursive: true });
});

const printed = (): string => vi.mocked(console.log).mock.calls.flat().join('\n');

/** Draws a batch with a trainer that writes its arguments as the picture, while the store lacks the file of a URL. */
async function draw(url: string, answer: ShownBatch): Promise<void> {
  const executable = `${folder}/python`;
  await writeFile(`${folder}/answer.json`, JSON.stringify(answer));
  await writeFile(
    executable,
    `#!/bin/sh
all="$*"
while [ $# -gt 0 ]; do case "$1" in --out) out=$2;; --into) into=$2;; esac; shift; done
echo "$all" > "$into"
cp "${folder}/answer.json" "$out"
`,
  );
  await chmod(executable, 0o755);
  const missing: MissingFile = {
    file: { file: 'train.zip', urls: [url], bytes: null, sha256: null },
    size: null,
    refusal: null,
  };
  const place = {
    python: { executable, env: { PATH: '/usr/bin:/bin' } },
    recipesFolder: '/recipes',
    preparer: { ...miniPreparer, findMissing: () => Promise.resolve([missing]) },
    signal: new AbortController().signal,
  };
  await drawBatch(place, miniPlan, picture);
}

test('drawBatch prepares local data, writes the picture and lists its images', async () => {
  const image = TrainingImage.parse(sampleTrainingImage);
  await draw('file:///data/train.zip', { v: 1, ok: true, images: [image, { ...image, step: 2, flipped: false }] });
  expect(await readFile(picture, 'utf8')).toContain(`--recipe /recipes/mini.py --data ${miniDataset.root} --into`);
  expect(printed().trim().split('\n').slice(1)).toEqual([
    `Picture   ${picture}`,
    'Shown     the first 2 images of the training, exactly as steps 1 to 2 will get them',
    '  step 1  000000000009.jpg: 640×480 → 1066×800, flipped, padded to 1088×800, 7 objects',
    '  step 2  000000000009.jpg: 640×480 → 1066×800, padded to 1088×800, 7 objects',
    'Look for  boxes and masks that fit, the right names, and objects that are still visible',
  ]);
  const again = plan(`${projectRoot}/configs/runs/demo.json`, { showBatch: true, out: picture });
  await expect(again).rejects.toThrow(`${picture} exists already. Name a new file with --out.`);
});

test.each([
  ['https://host/train.zip', 'none is not on this machine (missing: train.zip)'],
  ['file:///data/train.zip', 'groupBySize'],
])('drawBatch of data at %s fails without a picture, and says why', async (url, message) => {
  await draw(url, { v: 1, ok: false, problem: 'groupBySize does not fit' });
  expect(process.exitCode).toBe(1);
  expect(vi.mocked(console.error).mock.calls.flat().join('\n')).toContain(
    `No picture of the training batch: ${message}`,
  );
  expect(existsSync(picture)).toBe(false);
  expect((await readdir(folder)).filter((name) => name.startsWith('scratch'))).toEqual([]);
});
