import { apKinds, apRows } from '../shared/summary/coco-rows.ts';
import type { Bootstrap, ComparedClass, ComparedScore, Comparison, EvalMetrics } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { comparePlans } from './compare-plans.ts';
import type { ComparedRun } from './load-run.ts';
import { differenceInterval } from './paired-bootstrap.ts';

type Kind = 'bbox' | 'segm';
type Replicates = readonly (readonly (number | null)[])[];

/**
 * Compares finished runs in plan, metrics and classes, each with the first. Pure.
 * @throws CodedError NotComparable if they were not tested on the same images and annotations.
 */
export function compareRuns(runs: readonly ComparedRun[], createdAt: number): Comparison {
  const [first, ...others] = runs;
  if (first === undefined || others.length === 0)
    throw new CodedError('NotComparable', 'Expected at least two runs to compare.');
  for (const other of others) requireSameTest(first, other);
  const bootstraps = pairBootstraps(runs);
  return {
    v: 1,
    createdAt,
    runs: runs.map(({ report: { runId, plan, metrics } }) => ({
      runId,
      recipe: plan.recipe.name,
      planHash: plan.planHash,
      checkpointSha256: metrics.checkpointSha256,
    })),
    images: first.report.metrics.images,
    annotationsSha256: first.analysis.annotationsSha256,
    resamples: bootstraps?.[0]?.resamples ?? null,
    plan: comparePlans(runs.map(({ report }) => report)),
    metrics: apKinds.flatMap(({ key: kind }) =>
      apRows.map(({ key }) => ({
        kind,
        key,
        ...compareScores(
          runs.map(({ report }) => report.metrics[kind][key]),
          bootstraps?.map((one) => replicatesOf(one, kind, key)),
        ),
      })),
    ),
    classes: compareClasses(runs, bootstraps),
  };
}

function requireSameTest(first: ComparedRun, other: ComparedRun): void {
  const format = ({ report: { runId, metrics, plan }, analysis }: ComparedRun): string =>
    `${runId} on ${metrics.images} images of ${plan.dataset.id}, annotations ${analysis.annotationsSha256.slice(0, 12)}`;
  const isSame =
    first.analysis.annotationsSha256 === other.analysis.annotationsSha256 &&
    first.report.metrics.images === other.report.metrics.images;
  if (isSame) return;
  throw new CodedError(
    'NotComparable',
    `The runs were not tested on the same data: ${format(first)}; ${format(other)}.`,
  );
}

/** @returns undefined unless all runs drew the same resamples. */
function pairBootstraps(runs: readonly ComparedRun[]): Bootstrap[] | undefined {
  const all = runs.flatMap(({ bootstrap }) => bootstrap ?? []);
  const draws = new Set(all.map(({ seed, resamples, images }) => `${seed} ${resamples} ${images}`));
  return all.length === runs.length && draws.size === 1 ? all : undefined;
}

/** Returns the replicates of a metric. Only AP, AP50 and AP75 are resampled. */
const replicatesOf = (bootstrap: Bootstrap, kind: Kind, key: keyof EvalMetrics['bbox']): (number | null)[] =>
  key === 'AP' || key === 'AP50' || key === 'AP75' ? bootstrap[kind][key] : [];

function compareScores(scores: (number | null)[], replicates: Replicates | undefined): ComparedScore {
  const [first = null, ...others] = scores;
  const differences = others.map((score, place) => {
    const by = first === null || score === null ? null : score - first;
    const [reference = [], other = []] = [replicates?.[0], replicates?.[place + 1]];
    return { by, interval: differenceInterval(by, reference, other) };
  });
  return { scores, differences };
}

/** Matches classes by name, since equal annotations have equal classes. */
function compareClasses(runs: readonly ComparedRun[], bootstraps: Bootstrap[] | undefined): ComparedClass[] {
  const classes = runs[0]?.analysis.classes ?? [];
  const compareKind = (name: string, kind: Kind): ComparedScore =>
    compareScores(
      runs.map(({ analysis }) => analysis.classes.find((one) => one.name === name)?.[kind].AP ?? null),
      bootstraps?.map((one) => one[kind].classes[one.classes.indexOf(name)] ?? []),
    );
  return classes
    .map(({ name, instances }) => ({
      name,
      instances,
      bbox: compareKind(name, 'bbox'),
      segm: compareKind(name, 'segm'),
    }))
    .sort((a, b) => largestChange(b) - largestChange(a));
}

const largestChange = ({ bbox, segm }: ComparedClass): number =>
  Math.max(0, ...[...bbox.differences, ...segm.differences].map(({ by }) => Math.abs(by ?? 0)));
