/** Outages of a real S3 server after the training. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withCodedFailures } from '../../../activities/shared/temporal/failure.ts';
import { RunStatus } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { miniPlan } from '../../helpers/mini-run.ts';
import { startS3Server, type S3Server } from '../../helpers/s3-server.ts';
import { someMetrics, type StubbedActivities } from '../../helpers/stub-activities.ts';
import { until } from '../../helpers/until.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

let server: S3Server;
let folder: string;
beforeAll(async () => {
  server = await startS3Server();
  folder = await mkdtemp(`${tmpdir()}/everswin-outage-`);
  await writeFile(`${folder}/file`, 'content');
});
afterAll(async () => {
  signalServer('SIGCONT');
  await server.stop();
  await rm(folder, { recursive: true });
});

function signalServer(signal: NodeJS.Signals): void {
  const pid = server.pid();
  if (pid !== undefined) process.kill(pid, signal);
}

test('trainDetector waits for an artifact store that does not answer, and resumes by itself', async () => {
  const store = server.store('outage/', { stallMs: 200 });
  const upload = async <T>(name: string, result: T): Promise<T> => {
    if (tries.push(name) === 1 || tries.at(-2) !== name) signalServer('SIGSTOP');
    await store.put(name, `${folder}/file`);
    return result;
  };
  const tries: string[] = [];
  const events: string[] = [];
  const activities: Partial<StubbedActivities> = withCodedFailures({
    resolvePlan: () => {
      const artifacts = { ...miniPlan.input.artifacts, store: 's3://everswin/outage' };
      return Promise.resolve({ ...miniPlan, input: { ...miniPlan.input, artifacts } });
    },
    runTest: () => upload('test', someMetrics),
    mirrorRun: () => upload('mirror', undefined),
    notify: ({ notification }: Parameters<StubbedActivities['notify']>[0]) => {
      events.push(notification.event);
      return Promise.resolve();
    },
  });
  await withWorkers(activities, async (client) => {
    const { handle } = await startRun(client, { ...freshInput(), notify: [{ to: 'webhook', ref: 'OPS' }] });
    const readStatus = async (): Promise<RunStatus> => RunStatus.parse(await handle.query('status'));
    for (const step of ['The COCO test', 'The upload of the run']) {
      await until(async () => {
        const { notice } = await readStatus();
        return notice?.startsWith(`${step} waits for the artifact store. `) === true ? true : undefined;
      });
      signalServer('SIGCONT');
    }
    await handle.result();
    expect(await readStatus()).toMatchObject({ stage: 'done', notice: null });
    expect(events.filter((event) => event === 'stalled')).toHaveLength(2);
    expect(events.filter((event) => event === 'recovered')).toHaveLength(2);
  });
});
