import { startingWeights } from '../../../../configs/starting-weights.ts';
import { buildLedger } from '../../../../configs/ledger.ts';
import type { Failure, Report, RunPlan } from '../../../../configs/schema.ts';
import { sampleAttempt, samplePlan, sampleReport } from '../../../fixtures/sample-report.ts';

/** Closes a script, an attribute, a comment, a table cell, a code span and a CDATA section, and turns the text around. */
export const hostile = `</script></style><img src=x onerror=alert(1)> "' | \`x\` ]]> --> &amp; [a](javascript:b)\u202e\u001b[31m`;

const plan: RunPlan = {
  ...samplePlan,
  runId: hostile,
  planHash: hostile,
  recipe: { ...samplePlan.recipe, name: hostile, sha256: hostile },
  dataset: { ...samplePlan.dataset, id: hostile, contentKey: hostile },
  weights: { backbone: { id: hostile, source: { ...startingWeights(samplePlan.weights).source, sha256: hostile } } },
  versions: { everswin: hostile, trainerCode: hostile, trainerLock: hostile },
  input: { ...samplePlan.input, name: hostile, recipe: hostile, dataset: hostile, weights: { backbone: hostile } },
};

const failure: Failure = {
  ...{ class: hostile, reaction: 'retry', tries: 3 },
  ...{ evidence: hostile, meaning: hostile, nextStep: hostile },
};
const attempts = [
  sampleAttempt({
    ending: 'crashed',
    resumedFrom: hostile,
    cause: hostile,
    failure,
    quarantined: [{ file: hostile, why: hostile }],
    logTail: [hostile, hostile],
  }),
];

/** A report in which every free text is hostile. */
export const hostileReport = (): Report => {
  const { metrics } = sampleReport();
  return sampleReport({
    runId: hostile,
    verdict: hostile,
    plan,
    recipeText: hostile,
    checks: [{ about: hostile, verdict: 'stop', says: hostile, next: hostile }],
    steps: [{ step: 'dataset', hit: false, why: hostile }],
    metrics: { ...metrics, checkpoint: hostile, checkpointSha256: hostile },
    references: [{ label: hostile, source: hostile, bbox: {}, segm: {} }],
    timeline: [{ at: 1, kind: 'crashed', what: `${hostile}\n${hostile}`, iteration: 50 }],
    attempts,
    decisions: [{ at: 1, attempt: 1, next: 'again', why: hostile, change: hostile }],
    ledger: buildLedger(attempts, 0),
    warnings: [hostile],
    environment: { [hostile]: hostile },
  });
};
