import { expect, test } from 'vitest';
import { projectRoot } from '../helpers/project.ts';
import { bundleWorkflows, toJob, WorkflowVm } from './workflow-vm.ts';

test('WorkflowVm runs workflow code without a server', async () => {
  const vm = await WorkflowVm.create(await bundleWorkflows(`${projectRoot}/workflows/index.ts`));
  const identity = { workflowType: 'triggerRetrain', workflowId: 'trigger', runId: 'run', startedAt: 1_000 };
  const executor = await vm.start(identity);
  const initializeWorkflow = { workflowId: 'trigger', workflowType: 'triggerRetrain', arguments: [] };
  const activation = { at: 2_000, historyLength: 1, flags: [], continueAsNewSuggested: false };
  const answer = await executor.activate({ ...activation, jobs: [toJob({ initializeWorkflow })] }, false);
  await executor.dispose();
  expect(answer).toMatchObject({
    commands: [{ failWorkflowExecution: { failure: { applicationFailureInfo: { type: 'InvalidInput' } } } }],
  });
});
