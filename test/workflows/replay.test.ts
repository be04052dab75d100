/** Replays recorded histories. To record them again: RECORD_HISTORIES=1 npx vitest run test/workflows/replay.test.ts */
import { readFile, readdir } from 'node:fs/promises';
import { Worker } from '@temporalio/worker';
import { expect, inject, test } from 'vitest';
import { z } from 'zod';
import { workflowTypes } from '../../configs/names.ts';
import { historiesFolder, recordHistories } from '../helpers/record-histories.ts';

if (process.env['RECORD_HISTORIES'] !== undefined) await recordHistories();

const StartedEvent = z.object({
  workflowExecutionStartedEventAttributes: z.object({
    workflowId: z.string(),
    workflowType: z.object({ name: z.string() }),
  }),
});
const History = z.looseObject({ events: z.tuple([StartedEvent.loose()], z.unknown()) });

const histories = await Promise.all(
  (await readdir(historiesFolder)).map(async (file) => {
    const text = await readFile(`${historiesFolder}/${file}`, 'utf8');
    const { workflowExecutionStartedEventAttributes: started } = History.parse(JSON.parse(text)).events[0];
    return { file, text, workflowId: started.workflowId, type: started.workflowType.name };
  }),
);

test.each(histories)('workflow code replays $file without a nondeterminism error', async ({ text, workflowId }) => {
  const history: unknown = JSON.parse(text);
  await Worker.runReplayHistory({ workflowBundle: { codePath: inject('workflowBundlePath') } }, history, workflowId);
});

test('histories cover every workflow type', () => {
  expect(new Set(histories.map(({ type }) => type))).toEqual(new Set(Object.values(workflowTypes)));
});

test('histories include a training with crashes', () => {
  expect(histories.map(({ file }) => file)).toContain('train-detector-crash.json');
});
