/** Why a run's numbers are not the published ones: what differs, what that is known to cost, what is only inferred. */
import { pointsAbove } from '../../shared/summary/format-score.ts';
import { gapFacts, publishedModelFor } from '../../plan/published.ts';
import { referencesFor } from '../../plan/recipe-facts.ts';
import type { Evidence, ReferenceResult, Report } from '../../../configs/schema/index.ts';
import { isEvaluation } from '../../../configs/schema/plan-weights.ts';
import { listDifferences, listLikenesses, listUnknown, weigh, type Difference } from './differences.ts';
import { describeSettings, readRecipe, type Recipe } from './run-settings.ts';
import { describeShape, type GapShape } from './shape.ts';

export interface RuledOut {
  readonly claim: string;
  readonly why: string;
  /** What this run's own recipe says to it. */
  readonly here: string;
  readonly evidence: readonly Evidence[];
}

export interface GapDiagnosis {
  readonly title: string;
  readonly source: string;
  /** The published result that the gap is measured from, and the other ones of the same model. */
  readonly reference: ReferenceResult;
  readonly others: readonly ReferenceResult[];
  /** AP points: negative where this run lies below. */
  readonly points: { readonly bbox: number | undefined; readonly segm: number | undefined };
  /** Two runs of one recipe differ by as much. */
  readonly isWithinNoise: boolean;
  readonly noise: { readonly bbox: readonly [number, number]; readonly evidence: readonly Evidence[] };
  readonly shape: GapShape;
  readonly differences: readonly Difference[];
  /** The first of them, where it can cost more than two runs of one recipe differ by, and the model is known. */
  readonly suspect: Difference | undefined;
  readonly alike: readonly string[];
  readonly unknown: readonly string[];
  readonly ruledOut: readonly RuledOut[];
  /** Sentences that say what of this is inference. */
  readonly inference: readonly string[];
}

/** @returns undefined where nobody published a result for what this recipe sets out to reach, and where nothing was trained. */
export function diagnoseGap(report: Report): GapDiagnosis | undefined {
  const model = publishedModelFor(report.plan.recipe.name);
  const reference = model && chooseReference(referencesFor(model.results));
  if (model === undefined || reference === undefined || isEvaluation(report.plan)) return undefined;
  const facts = gapFacts();
  const recipe = readRecipe(report.recipeSettings);
  const ours = describeSettings(report, recipe);
  const differences = listDifferences(ours, model.settings, facts);
  const unknown = listUnknown(ours, model.settings);
  const suspect = differences.slice(0, 1).find(({ effect }) => weigh(effect) >= facts.noise.bbox[1]);
  const shape = describeShape(report.metrics, reference);
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
    alike: listLikenesses(ours, model.settings),
    unknown,
    ruledOut: facts.ruledOut
      .filter((one) => one.ours === undefined || one.ours === ours['box heads']?.says)
      .map(({ claim, why, evidence }) => ({ claim, why, here: describeStart(recipe), evidence })),
    inference: [
      ...explainShape(shape, suspect),
      ...facts.unmeasured
        .filter(({ aspects }) => aspects.every((aspect) => differences.some(({ about }) => about === aspect)))
        .map(({ says }) => says),
    ],
  };
}

/** The one that says most: AP50 and AP75 tell the shape. */
const chooseReference = (references: readonly ReferenceResult[]): ReferenceResult | undefined =>
  [...references].sort((a, b) => countNumbers(b) - countNumbers(a))[0];

const countNumbers = ({ bbox, segm }: ReferenceResult): number => Object.keys(bbox).length + Object.keys(segm).length;

function describeStart({ load_from: loaded, model }: Recipe): string {
  const backbone = model?.backbone?.type;
  if (backbone === undefined || loaded === undefined) return 'This run’s recipe could not be read for it.';
  return loaded === null
    ? `This run’s recipe: the backbone is ${backbone}, and nothing is loaded for the rest (load_from = None).`
    : `This run’s recipe loads a whole detector (load_from = ${loaded}): for this run it is not ruled out.`;
}

function explainShape({ isLocalisation }: GapShape, first: Difference | undefined): string[] {
  if (!isLocalisation || first === undefined) return [];
  const fits = ['box heads', 'box loss', 'box classes'].includes(first.about);
  return [
    fits
      ? 'That the gap is one of localisation fits the boxes’ own part of the model, which stands first; that it is the cause is inferred, not shown.'
      : `That the gap is one of localisation points at how boxes are told rather than at the ${first.about}, which stands first.`,
  ];
}
