import { expect, test } from 'vitest';
import { blameGpu } from '../../../../activities/train/failures/blame-gpu.ts';
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
const fault = 'RuntimeError: CUDA error: an illegal memory access was encountered';

test.each<[string, Failure, TrainerExit | null, string | undefined]>([
  ['the GPU of the rank whose log names the cause', failure('gpu-fault', `[rank 2] ${fault}`), exitOf(1), 'GPU-c'],
  ['the GPU of the rank that failed first', failure('gpu-lost', fault), exitOf(3), 'GPU-d'],
  ['the GPU of rank 0 for a line of the main log', failure('gpu-fault', fault), exitOf(null), 'GPU-a'],
  ['the GPU of rank 0 after the loss of the supervisor', failure('gpu-fault', fault), null, 'GPU-a'],
  ['no GPU for another class', failure('nccl-timeout', '[rank 2] Watchdog caught collective'), exitOf(2), undefined],
  ['no GPU for a class of another version', failure('from-the-future', '[rank 2] x'), exitOf(2), undefined],
  ['no GPU for a rank without a lease', failure('gpu-fault', `[rank 9] ${fault}`), exitOf(9), undefined],
])('blameGpu names %s', (_title, cause, exit, expected) => {
  expect(blameGpu(cause, exit, leased)).toBe(expected);
  expect(blameGpu(null, exit, leased)).toBeUndefined();
});
