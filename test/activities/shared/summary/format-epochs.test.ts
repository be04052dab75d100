import { expect, test } from 'vitest';
import { formatEpochChange, formatTrainedEpochs } from '../../../../activities/shared/summary/format-epochs.ts';

const change = { at: 1795884211, request: 'stop-after', from: 10, to: 2, who: 'maria' } as const;
const after = (epoch: number | null, epochs = 10) => ({
  plan: { epochs },
  attempts: [{ epoch: 1 }, { epoch }],
  epochChanges: [change],
});

test('formatTrainedEpochs states the epochs that were trained next to the planned ones', () => {
  expect(formatTrainedEpochs(after(10))).toBe('10 epochs');
  expect(formatTrainedEpochs(after(2))).toBe('2 of 10 planned epochs');
  expect(formatTrainedEpochs(after(12))).toBe('12 epochs, 10 planned');
  expect(formatTrainedEpochs(after(2, 1))).toBe('2 epochs, 1 planned');
  expect(formatTrainedEpochs(after(null))).toBe('2 of 10 planned epochs');
  expect(formatTrainedEpochs({ plan: { epochs: 3 }, attempts: [], epochChanges: [] })).toBe('3 epochs');
});

test('formatEpochChange names who asked, for what and when', () => {
  expect(formatEpochChange(change)).toBe('maria asked for stop-after 2 instead of 10 on 2026-11-28 16:43 UTC');
  expect(formatEpochChange({ ...change, who: null })).toMatch(/^a client that gave no name asked for stop-after 2/);
});
