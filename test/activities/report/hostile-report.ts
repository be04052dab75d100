import { startingWeights } from '../../../configs/schema/plan-weights.ts';
import { buildLedger } from '../../../activities/shared/summary/ledger.ts';
import type { Analysis, Failure, RecipeSettings, Report, RunPlan } from '../../../configs/schema/index.ts';
import { sampleAnalysis, sampleClass, sampleImage, sampleTrainingImage } from '../../fixtures/sample-analysis.ts';
import { sampleAttempt, samplePlan, sampleReport } from '../../fixtures/sample-report.ts';

/** Closes a script, an attribute, a comment, a table cell, a code span and a CDATA section, and reverses the text direction. */
const hostile = `</script></style><img src=x onerror=alert(1)> "' | \`x\` ]]> --> &amp; [a](javascript:b)\u202e\u001b[31m`;

const base = sampleReport();

/** Builds a report with `text` in every free text field. A known `recipe` also renders its published model. */
export function hostileReport(text: string = hostile, recipe: string = text): Report {
  const plan: RunPlan = {
    ...samplePlan,
    runId: text,
    planHash: text,
    recipe: { ...samplePlan.recipe, name: recipe, sha256: text },
    dataset: { ...samplePlan.dataset, id: text, contentKey: text },
    weights: { backbone: { id: text, source: { ...startingWeights(samplePlan.weights).source, sha256: text } } },
    versions: { everswin: text, trainerCode: text, trainerLock: text },
    input: { ...samplePlan.input, name: text, recipe: text, dataset: text, weights: { backbone: text } },
  };
  const failure: Failure = {
    class: text,
    reaction: 'retry',
    tries: 3,
    evidence: text,
    meaning: text,
    nextStep: text,
  };
  const attempts = [
    sampleAttempt({
      outcome: 'crashed',
      resumedFrom: text,
      cause: text,
      failure,
      quarantined: [{ file: text, why: text }],
      logTail: [text, text],
    }),
  ];
  const { metrics } = base;
  return {
    ...base,
    runId: text,
    verdict: text,
    plan,
    recipeText: text,
    recipeSettings: hostileSettings(text),
    checks: [{ name: text, verdict: 'error', message: text, remedy: text }],
    steps: [{ step: 'dataset', hit: false, why: text }],
    metrics: { ...metrics, checkpoint: text, checkpointSha256: text },
    references: [{ label: text, source: text, bbox: { AP: 0.5 }, segm: {} }],
    curves: { loss: [], ap: [{ epoch: 1, iteration: 5, bbox: 0.1, segm: 0.1 }] },
    timeline: [{ at: 1, kind: 'crashed', what: `${text}\n${text}`, iteration: 50 }],
    attempts,
    decisions: [{ at: 1, attempt: 1, next: 'retry', why: text, change: text }],
    ledger: buildLedger(attempts, 0),
    warnings: [text],
    environment: { [`of ${text}`]: text, mmdet: text },
  };
}

/** Replaces every text of the settings that the gap section quotes. */
const hostileSettings = (text: string): RecipeSettings => ({
  load_from: text,
  model: {
    backbone: { type: text },
    roi_head: { bbox_head: { type: text, loss_bbox: { type: text } } },
  },
  optim_wrapper: { type: text, optimizer: { type: text, lr: 0.0001 } },
});

/** Builds an analysis with `text` in names of classes and files. */
export const hostileAnalysis = (text: string = hostile): Analysis =>
  sampleAnalysis({
    checkpointSha256: text,
    classes: [sampleClass(text, 0.4), sampleClass(text, null)],
    trainingBatch: { seed: 7, images: [{ ...sampleTrainingImage, fileName: text }] },
    galleryRule: text,
    gallery: [
      sampleImage({
        fileName: text,
        // Labels of tiny boxes are not shortened.
        truth: [{ class: text, box: [1, 1, 0.2, 0.2], outlines: [], found: false }],
        predictions: [
          { class: text, box: [1, 1, 0.2, 0.2], outlines: [], score: 0.5, outcome: 'class', trueClass: text },
        ],
      }),
    ],
  });
