import { expect, test } from 'vitest';
import type { TrainerOwner } from '../../../configs/schema/index.ts';
import { AttemptProgress } from '../../../activities/train/attempt-progress.ts';
import { startedEvent, stepEvent } from '../../fixtures/sample-report.ts';
import { miniControl } from '../../helpers/mini-run.ts';

const createProgress = (): AttemptProgress => new AttemptProgress({ attempt: 2, control: miniControl, since: 0 });

test('heartbeat details name the GPU wait until the trainer reports', () => {
  const progress = createProgress();
  expect(progress.heartbeatDetails()).toBe('starting');
  progress.setGpuWait('Waiting for 2 GPUs');
  expect(progress.heartbeatDetails()).toBe('Waiting for 2 GPUs');
  progress.setGpuWait(null);
  expect(progress.heartbeatDetails()).toBe('starting');
  progress.apply([startedEvent({ attempt: 2 }), stepEvent({ attempt: 2, iteration: 50 })]);
  progress.setRemoteCopy({ iteration: 40, backlog: 1, problem: null });
  expect(progress.heartbeatDetails()).toMatchObject({ attempt: 2, iteration: 50, remote: { iteration: 40 } });
});

test('the attempt begins when the GPU wait ends', () => {
  const progress = createProgress();
  const createdAt = progress.startedAt;
  progress.setGpuWait(null);
  expect(progress.startedAt).toBeGreaterThanOrEqual(createdAt);
});

test('apply reports milestones of the followed trainer only', () => {
  const progress = createProgress();
  progress.followTrainer({ owner: { attempt: 1 } as TrainerOwner, adopted: true }, 2);
  expect(progress.apply([startedEvent({ attempt: 2 })])).toBe(false);
  expect(progress.apply([startedEvent({ attempt: 1 })])).toBe(true);
  expect(progress.apply([stepEvent({ attempt: 1, iteration: 50 })])).toBe(false);
});

test('setEpochs changes the reported number of epochs', () => {
  const progress = createProgress();
  progress.setEpochs(7);
  expect(progress.heartbeatDetails()).toMatchObject({ attempt: 2, epochs: 7 });
});
