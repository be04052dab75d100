import { expect, test } from 'vitest';
import { blameGpu, busesIn } from '../../../../activities/train/failures/blame-gpu.ts';
import type { Failure, TrainerExit } from '../../../../configs/schema/index.ts';
import { aFailure } from '../../../helpers/stub-activities.ts';

const leased = ['GPU-a', 'GPU-b', 'GPU-c', 'GPU-d'];
const failure = (name: string, evidence: string): Failure => ({ ...aFailure('retry'), class: name, evidence });
const exitOf = (rank: number | null): TrainerExit => ({
  v: 1,
  attempt: 1,
  fence: 1,
  code: 1,
  signal: null,
  stopRequested: false,
  reason: 'crashed',
  rootCause: { rank, pid: 7, exitCode: 1, signal: null, message: 'failed', at: 1 },
  startedAt: 1,
  endedAt: 2,
});
const uuidOfBus = new Map(
  ['00000000:41:00.0', '00000000:C1:00.0', '00010000:41:00.0', '00000000:81:00.0', '00000000:E1:00.0'].flatMap(
    (bus, index) => busesIn(bus).map((key) => [key, [...leased, 'GPU-of-another-run'][index] ?? ''] as const),
  ),
);
const xid = (bus: string) => failure('gpu-lost', `NVRM: Xid (PCI:${bus}): 79, pid=7, GPU has fallen off the bus.`);
const fault = 'RuntimeError: CUDA error: an illegal memory access was encountered';

test.each<[string, Failure, TrainerExit | null, string | undefined]>([
  ['the GPU of the rank whose log names the cause', failure('gpu-fault', `[rank 2] ${fault}`), exitOf(1), 'GPU-c'],
  ['the GPU of the rank that failed first', failure('gpu-lost', fault), exitOf(3), 'GPU-d'],
  ['the GPU of rank 0 for a line of the main log', failure('gpu-fault', fault), exitOf(null), 'GPU-a'],
  ['the GPU of rank 0 after the loss of the supervisor', failure('gpu-fault', fault), null, 'GPU-a'],
  ['the GPU with the bus ID of an Xid error', xid('0000:c1:00'), exitOf(null), 'GPU-b'],
  ['the GPU with a bus ID in another domain', xid('10000:41:00'), null, 'GPU-c'],
  ['the GPU with a long bus ID, whatever the rank', xid('00000000:81:00.0'), exitOf(1), 'GPU-d'],
  ['the GPU that is named by UUID', failure('gpu-lost', 'Unable to use GPU-c: lost'), exitOf(null), 'GPU-c'],
  ['no GPU for the bus ID of a GPU of another run', xid('0000:e1:00'), exitOf(1), undefined],
  ['the GPU of the rank for an unknown bus ID', xid('0000:01:00'), exitOf(1), 'GPU-b'],
  [
    'the GPU of the rank when the line has a time only',
    failure('gpu-lost', `2026:11:28 12:41:00 ${fault}`),
    exitOf(2),
    'GPU-c',
  ],
  ['no GPU for another class', failure('nccl-timeout', '[rank 2] Watchdog caught collective'), exitOf(2), undefined],
  ['no GPU for a class of another version', failure('from-the-future', '[rank 2] x'), exitOf(2), undefined],
  ['no GPU for a rank without a lease', failure('gpu-fault', `[rank 9] ${fault}`), exitOf(9), undefined],
])('blameGpu names %s', (_title, cause, exit, expected) => {
  expect(blameGpu(cause, exit, leased, uuidOfBus, [])).toBe(expected);
  expect(blameGpu(null, exit, leased, uuidOfBus, [])).toBeUndefined();
});

test('blameGpu names no rank when NVML saw another GPU fail, unless the log names one', () => {
  expect(blameGpu(failure('gpu-lost', fault), exitOf(0), leased, uuidOfBus, ['GPU-c'])).toBeUndefined();
  expect(blameGpu(failure('gpu-fault', `[rank 2] ${fault}`), exitOf(0), leased, uuidOfBus, ['GPU-b'])).toBeUndefined();
  expect(blameGpu(xid('0000:c1:00'), exitOf(0), leased, uuidOfBus, ['GPU-c'])).toBe('GPU-b');
});
