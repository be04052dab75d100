import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { execa } from 'execa';
import { superviseArgv } from '../../activities/shared/trainer/trainer-argv.ts';
import { jobFolder } from '../../configs/paths.ts';
import { miniPlan } from '../helpers/mini-run.ts';
import { fakeTrainerPath, projectRoot, python } from '../helpers/project.ts';
import { allPoints, lastingTargets, planFaults, targets } from './fault-plan.ts';
import { findSubject } from './subject.ts';

const options = { targets, faults: 3, expectedSeconds: 4, epochs: 4, stepsPerEpoch: 40 } as const;
const manyPlans = Array.from({ length: 300 }, (_, run) => planFaults('a seed', run, options));

test('planFaults is determined by seed and run number', () => {
  expect(planFaults('a seed', 7, options)).toEqual(manyPlans[7]);
  expect(planFaults('another seed', 7, options)).not.toEqual(manyPlans[7]);
});

test('planFaults uses every target and every kind of moment', () => {
  const faults = manyPlans.flat();
  expect(new Set(faults.map(({ action }) => action.kind))).toEqual(new Set(['kill', ...lastingTargets]));
  const moments = new Set(
    faults.map(({ moment }) => (moment.at === 'point' ? `${moment.job} ${moment.at}` : moment.at)),
  );
  expect(moments).toEqual(new Set(['time', 'change', 'train point', 'test point']));
});

test('planFaults never plans two hasty faults in a row', () => {
  for (const faults of manyPlans) {
    faults.forEach(({ soon }, index) => expect(soon && (faults[index - 1]?.soon ?? true)).toBe(false));
  }
});

test.each([
  ['mini', 2, /--ranks 2: mini is the fake trainer, which is one process/],
  ['real', 5, /--ranks 5: the images of real divide evenly among 1, 2, 4 ranks/],
])('the subject %s refuses %i ranks', (name, ranks, message) => {
  expect(() => findSubject(name, ranks)).toThrow(message);
});

describe('points', () => {
  let home: string;
  let passed: string[];

  beforeAll(async () => {
    home = await mkdtemp(`${tmpdir()}/everswin-points-`);
    await mkdir(`${home}/chaos/run`, { recursive: true });
    await writeFile(`${home}/chaos/run/passed`, '');
    await writeFile(
      `${home}/run.json`,
      JSON.stringify({ ...miniPlan, checkpoint: { everyMinutes: 0.001, keepLast: 2 } }),
    );
    const common = ['--plan', `${home}/run.json`, '--job-dir'];
    await supervised('train', ['train', ...common, `${home}/run/train`]);
    const checkpoint = `${home}/run/train/checkpoints/e003-i000030.pth`;
    await supervised('test', ['test', ...common, `${home}/run/test`, '--checkpoint', checkpoint]);
    passed = (await readFile(`${home}/chaos/run/passed`, 'utf8')).split('\n');
  });
  afterAll(() => rm(home, { recursive: true, force: true }));

  async function supervised(job: string, program: string[]): Promise<void> {
    const argv = [python, '-m', 'fake_trainer', ...program];
    await execa(python, superviseArgv(jobFolder(`${home}/run/${job}`), 1, miniPlan.recovery.stallSeconds, argv), {
      env: {
        PYTHONPATH: `${projectRoot}/test/chaos/python:${fakeTrainerPath}`,
        EVERSWIN_CHAOS_DIR: `${home}/chaos`,
      },
    });
  }

  test.each(allPoints)('an undisturbed run reaches %s', (point) => {
    const pattern = new RegExp(`^${point.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
    expect(passed.some((line) => pattern.test(line))).toBe(true);
  });
});
