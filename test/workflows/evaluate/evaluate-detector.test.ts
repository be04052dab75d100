import { expect, test } from 'vitest';
import { evaluationId, taskQueues, workflowTypes } from '../../../configs/names.ts';
import { RunStatus, type RunInput } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { miniPlan } from '../../helpers/mini-run.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

const detectorInput = (): RunInput => ({ ...freshInput(), weights: { detector: 'released' } });

test('evaluateDetector tests and reports a detector without training it', async () => {
  let trained = 0;
  const purposes: unknown[] = [];
  await withWorkers(
    {
      resolvePlan: (input, purpose) => {
        purposes.push(purpose);
        return Promise.resolve({ ...miniPlan, runId: `${input.name}.evaluation`, epochs: 0, input });
      },
      runTraining: () => Promise.reject(new Error(`training ${++trained}`)),
    },
    async (client) => {
      const input = detectorInput();
      const { handle, how } = await startRun(client, input, { evaluate: true });
      expect([how, handle.workflowId]).toEqual(['started', evaluationId(input.name)]);
      expect(await handle.result()).toMatchObject({ bbox: { AP: 0.5 } });
      const status = RunStatus.parse(await handle.query('status'));
      expect(status).toMatchObject({ runId: `${input.name}.evaluation`, stage: 'done', attempts: [] });
      expect((await startRun(client, input, { evaluate: true })).how).toBe('finished');
    },
  );
  expect([trained, purposes]).toEqual([0, ['evaluation']]);
});

test('evaluateDetector rejects an input with a backbone only', async () => {
  await withWorkers({}, async (client) => {
    const { handle } = await startRun(client, freshInput(), { evaluate: true });
    await expect(handle.result()).rejects.toMatchObject({
      cause: { type: 'InvalidInput', message: expect.stringContaining('A backbone alone detects nothing') as string },
    });
  });
});

test('evaluateDetector rejects a workflow id that does not match the run name', async () => {
  await withWorkers({}, async (client) => {
    const handle = await client.workflow.start(workflowTypes.evaluateDetector, {
      taskQueue: taskQueues.control,
      workflowId: `other:${freshInput().name}`,
      args: [detectorInput()],
    });
    await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'InvalidInput' } });
  });
});
