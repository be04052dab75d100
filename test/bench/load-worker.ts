/**
 * Worker of the load benchmark: `--role control|gpu`. Like production, but with stubbed activities: a training waits for
 * the file `finish` of the home. Writes its memory to `<role>-memory.json` there.
 */
import { writeFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Context } from '@temporalio/activity';
import { taskQueues } from '../../configs/names.ts';
import { readEnv } from '../../workers/env.ts';
import { readServer } from '../../workers/temporal-server.ts';
import { runWorker } from '../../workers/run-worker.ts';
import { anAttempt, happyActivities, signalProgress } from '../helpers/stub-activities.ts';

const { values } = parseArgs({ options: { role: { type: 'string' } } });
const { role } = values;
const { EVERSWIN_HOME: home } = readEnv();

setInterval(() => writeFileSync(`${home}/${role}-memory.json`, JSON.stringify(process.memoryUsage())), 500).unref();

if (role === 'gpu') {
  await runWorker(readServer(), 'gpu-cpu', {
    taskQueue: taskQueues.gpu,
    activities: { ...happyActivities, runTraining },
    maxConcurrentActivityTaskExecutions: 2_000,
    maxHeartbeatThrottleInterval: '5 seconds',
  });
} else {
  await runWorker(readServer(), 'control', {
    taskQueue: taskQueues.control,
    workflowBundle: { codePath: `${home}/workflows.js` },
    activities: happyActivities,
  });
}

async function runTraining({ attempt }: { attempt: number }) {
  await signalProgress(attempt);
  const isFinished = () =>
    access(`${home}/finish`).then(
      () => true,
      () => false,
    );
  while (!(await isFinished())) {
    Context.current().heartbeat();
    await Promise.race([sleep(1_000), Context.current().cancelled]);
  }
  return anAttempt({ attempt });
}
