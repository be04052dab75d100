import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { RunInput, type Attempt, type RunPlan } from '../../../configs/schema/index.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';
import { createMiniRun, miniInput, miniControl, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { projectRoot, python } from '../../helpers/project.ts';
import { toyRanks } from '../../helpers/two-hosts.ts';
import { until } from '../../helpers/until.ts';

let run: MiniRun;
let calls: string;
beforeEach(async () => {
  run = await createMiniRun();
  const { home, python: command } = run.dependencies;
  calls = `${home}/srun-calls.jsonl`;
  await writeFile(`${home}/srun`, `#!/bin/sh\nexec ${python} ${projectRoot}/test/fixtures/srun.py "$@"\n`);
  await chmod(`${home}/srun`, 0o755);
  Object.assign(command.env, { PATH: `${home}:/usr/bin:/bin`, SRUN_CALLS: calls });
});
afterEach(() => run.remove());

const train = (plan: RunPlan, attempt: number): Promise<Attempt> => {
  const slurm = { nodes: 2, extra: ['--partition', 'gpu'] };
  const programs = { ...run.dependencies.programs, train: toyRanks('--step-seconds', '0.05') };
  const { runTraining } = createGpuActivities({ ...run.dependencies, slurm, programs });
  const request = { plan, attempt, control: miniControl, rollback: null, since: 0 };
  return mockEnvironment().run(runTraining, request);
};

test('a rank that dies ends the launchers of all nodes, and the next attempt resumes', async () => {
  const { dir, progress } = run.folder.train;
  const plan = { ...miniPlan, gpus: 2 };
  const first = train(plan, 1);
  await until(async () =>
    (await readProgress(progress)).some((event) => event.type === 'step' && event.iteration >= 12) ? true : undefined,
  );
  const [, second] = (await readdir(`${dir}/heartbeats`)).sort();
  process.kill(Number((await readFile(`${dir}/heartbeats/${second}`, 'utf8')).split(' ')[0]), 'SIGKILL');
  // On a cluster each launcher reports its own ranks. The first report, which may be a consequence, ends the attempt.
  expect(await first).toMatchObject({ outcome: 'crashed', failure: { reaction: 'retry' } });
  expect(await train(plan, 2)).toMatchObject({ outcome: 'finished', resumedFrom: 'e001-i000010.pth', toIteration: 30 });

  const lines = (await readFile(calls, 'utf8')).trim().split('\n');
  const argv = lines.map((line) => z.array(z.string()).parse(JSON.parse(line)).join(' '));
  expect(argv).toHaveLength(2);
  expect(argv[0]).toMatch(
    /^--nodes 2 --ntasks-per-node 1 --kill-on-bad-exit=1 --partition gpu \S+python -m torch.distributed.run --nnodes 2 --rdzv-backend c10d --rdzv-endpoint 127.0.0.1:\d+ --rdzv-id mini-1 --nproc-per-node 1 /,
  );
});

test('a training is refused when its GPUs do not divide evenly among the nodes', async () => {
  const plan = { ...miniPlan, gpus: 3, input: RunInput.parse({ ...miniInput, gpus: 3 }) };
  const outcome = train(plan, 1);
  await expect(outcome).rejects.toMatchObject({ type: 'TrainingFailed', nonRetryable: true });
  await expect(outcome).rejects.toThrow(/3 GPUs do not divide evenly among 2 Slurm nodes/);
});
