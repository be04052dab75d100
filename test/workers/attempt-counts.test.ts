/** Counts the attempts of a run, by the runtime that `withMetrics` installs instead of the quiet one of other tests. */
import { DefaultLogger } from '@temporalio/worker';
import { expect, test, vi } from 'vitest';
import { CodedError } from '../../activities/shared/errors/coded-error.ts';
import { toFailure } from '../../activities/shared/temporal/failure.ts';
import { taskQueues } from '../../configs/names.ts';
import { startRun } from '../../infra/client/start-run.ts';
import { findFreePorts } from '../../infra/stack/free-port.ts';
import { startAttemptCounts } from '../../workers/metrics/attempt-counts.ts';
import { withMetrics } from '../../workers/metrics/with-metrics.ts';
import { anAttempt } from '../helpers/stub-activities.ts';
import { freshInput, withWorkers } from '../helpers/workflow-env.ts';

vi.mock('../helpers/quiet-runtime.ts', () => ({}));
vi.mock('../../workers/log-format.ts', () => ({ createLogger: () => new DefaultLogger('ERROR') }));

test('everswin_attempts_total counts every attempt of a run, also one that was lost with its worker', async () => {
  const [port] = await findFreePorts(1);
  vi.stubEnv('EVERSWIN_CONTROL_METRICS_ADDRESS', `127.0.0.1:${port}`);
  const readCounts = async (): Promise<Record<string, number>> => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const lines = text.matchAll(/^everswin_attempts_total\{(.+)\} (\d+)$/gm);
    return Object.fromEntries([...lines].map(([, labels = '', count]) => [labels, Number(count)]));
  };
  const labelsOf = (outcome: string) =>
    `namespace="default",outcome="${outcome}",taskQueue="${taskQueues.control}",workflowType="trainDetector"`;
  const none = { crashed: 0, hung: 0, preempted: 0, 'worker-lost': 0, finished: 0 };
  const labelled = (counts: Record<string, number>) =>
    Object.fromEntries(Object.entries(counts).map(([outcome, count]) => [labelsOf(outcome), count]));
  const runTraining = ({ attempt }: { attempt: number }) =>
    attempt === 1
      ? Promise.reject(toFailure(new CodedError('WorkerLost', 'Worker lost: process 7 was killed.')))
      : Promise.resolve(anAttempt({ attempt, adopted: true }));
  const work = () =>
    withWorkers({ runTraining }, async (client) => {
      startAttemptCounts('default');
      expect(await readCounts()).toEqual(labelled(none));
      await (await startRun(client, freshInput())).handle.result();
      expect(await readCounts()).toEqual(labelled({ ...none, 'worker-lost': 1, finished: 1 }));
    });
  await withMetrics('EVERSWIN_CONTROL_METRICS_ADDRESS', () => [], work);
  vi.unstubAllEnvs();
});
