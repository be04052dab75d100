import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Verification } from '../../../activities/verify/verify-epoch.ts';
import { runFolder } from '../../../configs/paths.ts';
import { formatVerification } from '../../../infra/cli/verify.ts';
import { projectRoot } from '../../helpers/project.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-verify-`);
  await mkdir(runFolder(home, 'planned').root, { recursive: true });
});
afterAll(() => rm(home, { recursive: true }));

test.each([
  [['other', '--epoch', '1'], 'There is no run "other". Runs: planned.'],
  [['../planned', '--epoch', '1'], 'There is no run "../planned"'],
  [['planned', '--epoch', '1'], 'planned has not trained on this machine.'],
  [['planned'], "required option '--epoch <epoch>' not specified"],
  [['planned', '--epoch', '0'], 'Expected a whole number, 1 or more.'],
  [['planned', '--epoch', '1', '--steps', '9-3'], 'Expected FIRST..LAST, such as 101..150.'],
])('verify %j exits with 2 and says why', async (argv, message) => {
  const { exitCode, stderr } = await execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, 'verify', ...argv], {
    env: { EVERSWIN_HOME: home },
    reject: false,
  });
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
});

const equal: Verification = {
  v: 1,
  run: 'demo',
  epoch: 2,
  equal: true,
  steps: { first: 47, last: 92 },
  checkpoint: 'e001-i000046.pth',
  device: 'cpu',
  tolerance: 0,
  losses: { steps: 46, largest: 0, difference: null },
  hashes: [{ epoch: 2, samples: 'equal', random: 'equal', weights: 'equal', optimizer: 'equal' }],
  notes: [],
  folder: null,
  seconds: 12,
};

test('an equal epoch is reported with what was compared', () => {
  expect(formatVerification(equal).slice(0, 2)).toEqual([
    'Equal: epoch 2 of demo, steps 47 to 92. 46 logged losses agree bit for bit.',
    '  hashes of epoch 2: samples equal, random equal, weights equal, optimizer equal',
  ]);
  expect(formatVerification({ ...equal, tolerance: 0.05, losses: { ...equal.losses, largest: 0.0123 } })[0]).toContain(
    'agree within 5 %; the largest difference is 1.23 %.',
  );
});

test('a difference is reported with the steps in which it arises', () => {
  const difference = { step: 60, lastEqual: 50, original: 1.5, repeated: 1.25 };
  const lines = formatVerification({ ...equal, equal: false, losses: { ...equal.losses, difference }, hashes: [] });
  expect(lines[0]).toBe(
    'Different: epoch 2 of demo. Step 60 is the first that differs: loss 1.5 in the run, 1.25 in the repetition. The difference arises in steps 51 to 60.',
  );
  const [hashes] = equal.hashes;
  const changed = hashes === undefined ? [] : [{ ...hashes, weights: 'different' as const }];
  expect(formatVerification({ ...equal, equal: false, hashes: changed })[0]).toContain(
    '46 logged losses agree, but these hashes differ: weights of epoch 2.',
  );
});
