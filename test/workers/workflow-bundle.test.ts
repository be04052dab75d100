import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseWorkflowCode } from '@temporalio/worker/lib/worker.js';
import { ReusableVMWorkflowCreator } from '@temporalio/worker/lib/workflow/reusable-vm.js';
import { expect, inject, test } from 'vitest';
import { workflowTypes } from '../../configs/names.ts';

type CreateOptions = Parameters<ReusableVMWorkflowCreator['createWorkflow']>[0];

const workflows = 20;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const heapMib = (): number => {
  collectGarbage();
  return process.memoryUsage().heapUsed / 2 ** 20;
};

// A second try in the same process would reuse the memory of the first.
test('an open workflow takes less than 1 MiB, because all workflows share the schemas', { retry: 0 }, async () => {
  const code = await readFile(inject('workflowBundlePath'), 'utf8');
  const creator = await ReusableVMWorkflowCreator.create(parseWorkflowCode(code), 5_000, new Set());
  const open = [await creator.createWorkflow(createOptions(0))];
  const before = heapMib();
  for (let index = 1; index <= workflows; index++) open.push(await creator.createWorkflow(createOptions(index)));
  expect((heapMib() - before) / workflows).toBeLessThan(1);
  expect((heapMib() - before) / workflows).toBeLessThan(1);
  for (const workflow of open) await workflow.dispose();
  await creator.destroy();
});

/** Only the fields that loading a workflow reads. */
const createOptions = (index: number): CreateOptions =>
  ({
    info: { workflowType: workflowTypes.trainDetector, runId: `run-${index}`, unsafe: { isReplaying: false } },
    randomnessSeed: [index],
    now: 0,
    showStackTraceSources: false,
  }) as unknown as CreateOptions;
