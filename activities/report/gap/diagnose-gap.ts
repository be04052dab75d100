/** Explains the gap between a run and its published model: differences, their known cost, and what is inferred. */
import { pointsAbove } from '../../shared/summary/format-score.ts';
import { gapFacts, publishedModelFor } from '../../plan/published.ts';
import { referencesFor } from '../../plan/recipe-facts.ts';
import type { Evidence, ReferenceResult, Report } from '../../../configs/schema/index.ts';
import { isEvaluation } from '../../../configs/schema/plan-weights.ts';
import { listDifferences, listAgreements, listUnknown, estimateCost, type Difference } from './differences.ts';
import { listSettings, readRecipe, type Recipe } from './recipe-settings.ts';
import { analyzeShape, type GapShape } from './gap-shape.ts';

export interface RuledOut {
  readonly claim: string;
  readonly reason: string;
  /** Relation of this run's recipe to the claim. */
  readonly inThisRun: string;
  readonly evidence: readonly Evidence[];
}

export interface GapDiagnosis {
  readonly title: string;
  readonly source: string;
  /** Published result that the gap is measured from. */
  readonly reference: ReferenceResult;
  /** Other published results of the same model. */
  readonly others: readonly ReferenceResult[];
  /** AP points; negative if this run is below the reference. */
  readonly points: { readonly bbox: number | undefined; readonly segm: number | undefined };
  /** True if two runs of one recipe differ by as much. */
  readonly isWithinNoise: boolean;
  readonly noise: { readonly bbox: readonly [number, number]; readonly evidence: readonly Evidence[] };
  readonly shape: GapShape;
  readonly differences: readonly Difference[];
  /** Costliest difference, if it costs more than two runs of one recipe differ by and the model is known. */
  readonly suspect: Difference | undefined;
  readonly agreements: readonly string[];
  readonly unknown: readonly string[];
  readonly ruledOut: readonly RuledOut[];
  /** Sentences that name the inferences in this diagnosis. */
  readonly inference: readonly string[];
}

/** @returns undefined if the recipe has no published model, or if the run only evaluated one. */
export function diagnoseGap(report: Report): GapDiagnosis | undefined {
  const model = publishedModelFor(report.plan.recipe.name);
  const reference = model && chooseReference(referencesFor(model.results));
  if (model === undefined || reference === undefined || isEvaluation(report.plan)) return undefined;
  const facts = gapFacts();
  const recipe = readRecipe(report.recipeSettings);
  const ours = listSettings(report, recipe);
  const differences = listDifferences(ours, model.settings, facts);
  const unknown = listUnknown(ours, model.settings);
  const suspect = differences.slice(0, 1).find(({ effect }) => estimateCost(effect) >= facts.noise.bbox[1]);
  const shape = analyzeShape(report.metrics, reference);
  const bbox = pointsAbove(report.metrics.bbox.AP, reference.bbox.AP);
  return {
    title: model.title,
    source: model.source,
    reference,
    others: referencesFor(model.results).filter((one) => one.label !== reference.label),
    points: { bbox, segm: pointsAbove(report.metrics.segm.AP, reference.segm.AP) },
    isWithinNoise: bbox !== undefined && Math.abs(bbox) <= facts.noise.bbox[1],
    noise: facts.noise,
    shape,
    differences,
    suspect: unknown.includes('box heads') ? undefined : suspect,
    agreements: listAgreements(ours, model.settings),
    unknown,
    ruledOut: facts.ruledOut
      .filter((one) => one.ours === undefined || one.ours === ours['box heads']?.value)
      .map(({ claim, reason, evidence }) => ({ claim, reason, inThisRun: formatInitialization(recipe), evidence })),
    inference: [
      ...explainShape(shape, suspect),
      ...facts.unmeasured
        .filter(({ aspects }) => aspects.every((aspect) => differences.some((one) => one.aspect === aspect)))
        .map(({ summary }) => summary),
    ],
  };
}

/** Returns the reference with the most numbers, because AP50 and AP75 reveal the shape of the gap. */
const chooseReference = (references: readonly ReferenceResult[]): ReferenceResult | undefined =>
  [...references].sort((a, b) => countNumbers(b) - countNumbers(a))[0];

const countNumbers = ({ bbox, segm }: ReferenceResult): number => Object.keys(bbox).length + Object.keys(segm).length;

function formatInitialization({ load_from: loaded, model }: Recipe): string {
  const backbone = model?.backbone?.type;
  if (backbone === undefined || loaded === undefined) return 'The settings of this run’s recipe are unknown.';
  return loaded === null
    ? `In this run, the backbone is ${backbone} and the other parts start without pretrained weights (load_from = None).`
    : `This run loads a pretrained detector (load_from = ${loaded}), so the claim is not ruled out for it.`;
}

function explainShape({ isLocalization: isLocalization }: GapShape, first: Difference | undefined): string[] {
  if (!isLocalization || first === undefined) return [];
  const isBoxSetting = ['box heads', 'box loss', 'box regression'].includes(first.aspect);
  return [
    isBoxSetting
      ? `A localization gap is consistent with the ${first.aspect}, the costliest difference. That this is the cause is an inference, not a measurement.`
      : `A localization gap suggests the box branch of the model rather than the ${first.aspect}, the costliest difference.`,
  ];
}
