/** Worker of the benchmarks: `--role control|gpu`. Like production, but with the fake trainer. */
import { parseArgs } from 'node:util';
import { createControlActivities, createGpuActivities } from '../../activities/index.ts';
import { resumeArgv } from '../../activities/shared/trainer/trainer-argv.ts';
import { reportLostWatchers } from '../../activities/train/report-lost-watchers.ts';
import { taskQueues } from '../../configs/names.ts';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import { createDependencies } from '../../workers/dependencies.ts';
import { readServer } from '../../workers/temporal-server.ts';
import { runWorker } from '../../workers/run-worker.ts';
import { miniDataset, miniWeights } from '../helpers/mini-run.ts';
import { miniEnv, miniPlanOf, miniSwitches, readRecipeName } from './mini.ts';

const { values } = parseArgs({ options: { role: { type: 'string' } } });

const production = createDependencies('cpu');
const dependencies: ActivityDependencies = {
  ...production,
  python: { ...production.python, env: miniEnv },
  programs: {
    train: (plan, files, job) => {
      const { recipe, torchrun } = readRecipeName(plan.recipe.name);
      const launcher = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '1', '--max-restarts', '0'];
      return [
        ...(torchrun ? launcher : []),
        ...['-m', 'fake_trainer', 'train', '--plan', files.plan, '--job-dir', job.dir],
        ...miniSwitches(recipe),
        ...resumeArgv(files.resume),
      ];
    },
    test: (_plan, files, job) => [
      ...['-m', 'fake_trainer', 'test', '--plan', files.plan, '--job-dir', job.dir],
      ...['--checkpoint', files.tested],
    ],
    module: 'fake_trainer',
  },
};

if (values.role === 'gpu') {
  await runWorker(
    readServer(),
    'bench-gpu',
    {
      taskQueue: taskQueues.gpu,
      activities: createGpuActivities(dependencies),
      maxConcurrentActivityTaskExecutions: 1,
      maxHeartbeatThrottleInterval: '5 seconds',
    },
    (client) => reportLostWatchers(dependencies.home, client),
  );
} else {
  await runWorker(readServer(), 'bench-control', {
    taskQueue: taskQueues.control,
    workflowBundle: { codePath: `${dependencies.home}/workflows.js` },
    activities: {
      ...createControlActivities(dependencies),
      resolvePlan: (input: Parameters<typeof miniPlanOf>[0]) => Promise.resolve(miniPlanOf(input)),
      fetchDataset: () => Promise.resolve(miniDataset),
      fetchWeights: () => Promise.resolve(miniWeights),
    },
    stickyQueueScheduleToStartTimeout: '2 seconds',
  });
}
