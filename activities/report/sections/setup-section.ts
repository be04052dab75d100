import type { RecipeSummary, Report } from '../../../configs/schema/index.ts';
import { isEvaluation, startingWeights } from '../../../configs/schema/plan-weights.ts';
import { activeSwitches } from '../../shared/run/speed-switches.ts';
import { renderFacts } from '../components/facts.ts';
import { markup } from '../components/markup.ts';
import { reproduceCommand } from './reproduce-command.ts';
import { formatWeightAverage } from '../gap/recipe-settings.ts';
import { formatDevices, listData, listHashes } from './run-facts.ts';
import type { Section } from '../components/section.ts';
import { formatEpochChange, formatTrainedEpochs } from '../../shared/summary/format-epochs.ts';
import { formatCount, formatPlural } from '../../shared/summary/format-time.ts';

/** Renders plan, dry run, hashes, environment and recipe. */
export const renderSetup = (report: Report): Section => ({
  id: 'setup',
  title: 'Plan and environment',
  body: markup`<h3>Plan</h3>
${renderFacts(listPlan(report))}
<h3>Dry run</h3>
${renderFacts(listChecks(report))}
<h3>Identifiers</h3>
<details><summary>Hashes (sha256)</summary>${renderFacts(listHashes(report), 'hash')}</details>
<details><summary>Environment</summary>${renderFacts(Object.entries({ everswin: report.plan.versions.everswin, ...report.environment }))}</details>
<details><summary>Recipe ${report.plan.recipe.name}, flattened: ${formatPlural(report.recipeText.split('\n').length, 'line')}</summary><pre tabindex="0">${report.recipeText}</pre></details>`,
});

/** Renders the command that starts the run again. */
export const renderReproduce = ({ plan }: Report): Section => ({
  id: 'reproduce',
  title: 'Reproduce this run',
  body: markup`<pre class="command" tabindex="0">${reproduceCommand(plan)}</pre>
<p class="note">To start a second run with these settings, change the name in the workflow ID and in the input. <code>everswin report report.json --out page.html</code> renders this page again from report.json and the analysis.json next to it.</p>`,
});

const listChecks = ({ checks }: Report): readonly (readonly [string, string])[] =>
  checks.map(({ name, verdict, message }) => [name, verdict === 'ok' ? message : `${verdict}: ${message}`]);

function listPlan(report: Report): readonly (readonly [string, string])[] {
  const { recipe, weights, batchPerGpu, seed, loaderWorkers, speed, checkpoint } = report.plan;
  const { part, id, origin } = startingWeights(weights);
  const { note } = report.plan.input;
  return [
    ...(note === undefined ? [] : [['note', note] as const]),
    ['recipe', recipe.name],
    ...listData(report),
    [`${part} weights`, origin === undefined ? id : `${id}: ${origin}`],
    ['length', formatLength(report)],
    ['batch', `${formatDevices(report)} × ${formatPlural(batchPerGpu, 'image')}`],
    ['learning rate', formatLearningRate(report.plan)],
    ...listWeightAverage(recipe.summary),
    ['seed', String(seed)],
    ['loader processes', `${formatCount(loaderWorkers)} per device`],
    ['speed switches', activeSwitches(speed).join(', ') || 'none'],
    ['checkpoints', `every ${checkpoint.everyMinutes} min and every epoch, last ${checkpoint.keepLast} kept`],
  ];
}

const listWeightAverage = ({ weightAverage }: RecipeSummary): [string, string][] =>
  weightAverage === undefined
    ? []
    : [['tested weights', `${formatWeightAverage(weightAverage)}; validation, final test and exports use it`]];

const formatLength = (report: Report): string =>
  isEvaluation(report.plan)
    ? 'evaluation only, no training'
    : [formatTrainedEpochs(report), ...report.epochChanges.map(formatEpochChange)].join('; ');

const formatLearningRate = ({ learningRate, recipe: { summary } }: Report['plan']): string =>
  learningRate === undefined
    ? `${summary.lr}, the recipe's`
    : `${learningRate}, set by the input; the recipe's is ${summary.lr}`;
