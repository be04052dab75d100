/** What the Temporal UI shows of a workflow in addition to its status: summaries, event groups, descriptions of handlers. */
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { expect, test } from 'vitest';
import { updateNames } from '../../../configs/names.ts';
import { createGpuActivities } from '../../../activities/index.ts';
import { formatPoints } from '../../../activities/shared/summary/format-score.ts';
import { RunStatus } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { clipSummary } from '../../../workflows/support/summaries.ts';
import { createMiniRun } from '../../helpers/mini-run.ts';
import { aFailure, anAttempt } from '../../helpers/stub-activities.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

interface Definition {
  name: string;
  description?: string;
}

/** Answer of the query that the UI sends. */
interface Metadata {
  definition: { queryDefinitions: Definition[]; signalDefinitions: Definition[]; updateDefinitions: Definition[] };
}

const textOf = (payload: Payload): string => defaultPayloadConverter.fromPayload(payload);

test('each activity and timer has a summary and belongs to its step, and each handler has a description', async () => {
  const crash = { outcome: 'crashed', failure: aFailure('retry'), checkpointIteration: null } as const;
  const runTraining = ({ attempt }: { attempt: number }) =>
    Promise.resolve(anAttempt({ attempt, ...(attempt < 3 ? { ...crash, checkpoints: [] } : {}) }));
  const input = freshInput();
  await withWorkers({ runTraining }, async (client) => {
    const { handle } = await startRun(client, input);
    await handle.result();
    const { events } = await handle.fetchHistory();
    const shown = (events ?? []).flatMap((event) => {
      const name = event.activityTaskScheduledEventAttributes?.activityType?.name;
      if (name == null && event.timerStartedEventAttributes == null) return [];
      const groups = (event.eventGroupMarkers ?? []).flatMap(({ label }) => (label?.label ? textOf(label.label) : []));
      const summary = event.userMetadata?.summary;
      return [[name ?? 'timer', summary == null ? undefined : textOf(summary), ...groups]];
    });
    expect(shown).toEqual([
      ['resolvePlan', 'mini on none'],
      ['checkPlan', `dry run of ${input.name}`],
      ['checkMachine', `machine that trains ${input.name}`],
      ['fetchDataset', 'data set none', 'The preparation of the data set'],
      ['fetchWeights', 'weights none', 'The preparation of the weights'],
      ['pinPlan', `hashes of data and weights of ${input.name}`],
      ['runTraining', 'attempt 1, epochs 0 → 3', 'Attempt 1'],
      ['runTraining', 'attempt 2, epochs 0 → 3', 'Attempt 2'],
      ['timer', 'back-off after attempt 2'],
      ['runTraining', 'attempt 3, epochs 0 → 3', 'Attempt 3'],
      ['runTest', 'COCO test on none', 'The COCO test'],
      ['exportDetector', `MMDetection folder of ${input.name}`, 'The export of the detector'],
      ['writeReport', `report of ${input.name}`, 'The report'],
    ]);

    const { definition } = await handle.query<Metadata>('__temporal_workflow_metadata');
    const { queryDefinitions, signalDefinitions, updateDefinitions } = definition;
    const handlers = [...queryDefinitions, ...signalDefinitions, ...updateDefinitions];
    expect(handlers.filter(({ description }) => description === undefined)).toEqual([]);
    expect(handlers.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.values(updateNames)));
  });
});

test('a validation is a mark in the timeline whose name says epoch and AP', async () => {
  const run = await createMiniRun();
  try {
    const { runTraining } = createGpuActivities(run.dependencies);
    const input = freshInput();
    await withWorkers({ runTraining }, async (client) => {
      const { handle } = await startRun(client, input);
      await handle.result();
      const { validations = [] } = RunStatus.parse(await handle.query('status'));
      const { events } = await handle.fetchHistory();
      const names = (events ?? []).map(
        ({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName ?? '',
      );
      const last = validations.at(-1);
      expect(last?.epoch).toBe(3);
      const scores = `box AP ${formatPoints(last?.bboxAP ?? 0)}, mask AP ${formatPoints(last?.segmAP ?? 0)}`;
      expect(names).toContain(`progress: epoch 3/3, ${scores}`);
    });
  } finally {
    await run.remove();
  }
});

test.each([
  ['a'.repeat(300), 200],
  ['→'.repeat(100), 198],
  ['😀'.repeat(100), 200],
])('clipSummary shortens a text to 200 bytes without splitting a character', (text, bytes) => {
  const clipped = clipSummary(text);
  expect(text.startsWith(clipped)).toBe(true);
  expect(Buffer.byteLength(clipped)).toBe(bytes);
});
