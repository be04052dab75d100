import { expect, test } from 'vitest';
import { buildLedger } from '../../../../activities/shared/summary/ledger.ts';
import { aFailure, anAttempt } from '../../../helpers/stub-activities.ts';

const crashed = anAttempt({
  attempt: 1,
  outcome: 'crashed',
  failure: aFailure('retry'),
  cause: 'Rank 0 ended with SIGKILL\nand more',
  startedAt: 100,
  trainerEndedAt: 150,
  endedAt: 150.5,
  fromIteration: 0,
  toIteration: 90,
  steppingSeconds: 45,
  productiveSeconds: 40,
  evaluationSeconds: 2,
});
const finished = anAttempt({
  attempt: 2,
  startedAt: 151,
  firstStepAt: 156,
  trainerEndedAt: 200,
  endedAt: 200,
  fromIteration: 80,
  steppingSeconds: 85,
  productiveSeconds: 80,
  evaluationSeconds: 4,
});

test('an interruption lists detection time, repeated steps and recovery time', () => {
  const { interruptions } = buildLedger([crashed, finished], 0);
  expect(interruptions).toEqual([
    {
      at: 150,
      attempt: 1,
      cause: 'Rank 0 ended with SIGKILL',
      class: 'sample',
      detectionSeconds: 0.5,
      stepsLost: 10,
      recoverySeconds: 6,
    },
  ]);
});

test('goodput is the time of productive steps divided by the scheduled time', () => {
  const ledger = buildLedger([crashed, finished], 6);
  expect(ledger).toMatchObject({ wallSeconds: 100, evaluationSeconds: 4, lostSeconds: 5, pausedSeconds: 6 });
  expect(ledger.goodput).toBeCloseTo(80 / 90);
});

test('a lost worker whose trainer is adopted loses no step', () => {
  const lost = anAttempt({ outcome: 'worker-lost', toIteration: 50, trainerEndedAt: null, endedAt: 110 });
  const adopting = { ...finished, adopted: true, fromIteration: 0, firstStepAt: 90 };
  const [interruption] = buildLedger([lost, adopting], 0).interruptions;
  expect(interruption).toMatchObject({ stepsLost: 0, recoverySeconds: null, class: 'worker-lost' });
});

test('a crash is matched with the trainer that a lost worker started', () => {
  const lost = anAttempt({
    attempt: 2,
    outcome: 'worker-lost',
    fromIteration: null,
    trainerEndedAt: null,
    endedAt: 170,
  });
  const adopting = { ...finished, attempt: 3, adopted: true };
  const interruptions = buildLedger(
    [crashed, lost, { ...lost, attempt: 3 }, { ...adopting, attempt: 4 }],
    0,
  ).interruptions;
  expect(interruptions).toMatchObject([
    { attempt: 1, stepsLost: 10, recoverySeconds: 6 },
    { attempt: 2, stepsLost: 0, recoverySeconds: null },
    { attempt: 3, stepsLost: 0, recoverySeconds: null },
  ]);
});

test('goodput is null before the first attempt has ended', () => {
  expect(buildLedger([], 0)).toMatchObject({ interruptions: [], goodput: null, wallSeconds: 0 });
});
