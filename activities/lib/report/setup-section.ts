import type { Report } from '../../../configs/schema.ts';
import { activeSwitches } from '../speed-switches.ts';
import { type Markup, markup } from './markup.ts';
import { repeatCommand } from './repeat-command.ts';
import { countDevices, listHashes } from './run-facts.ts';
import { formatCount, formatPlural } from './time-text.ts';

/** What was run, on what, and how to run it again. */
export const drawSetup = (report: Report): Markup => markup`<section>
<h2>Plan and environment</h2>
<h3>Plan</h3>
${drawFacts(listPlan(report))}
<h3>Dry run</h3>
${drawFacts(listChecks(report))}
<h3>Hashes (sha256)</h3>
${drawFacts(listHashes(report), 'hash')}
<h3>Environment</h3>
${drawFacts(Object.entries({ everswin: report.plan.versions.everswin, ...report.environment }))}
<h3>Recipe</h3>
<details><summary>${report.plan.recipe.name}, flattened: ${formatPlural(report.recipeText.split('\n').length, 'line')}</summary><pre>${report.recipeText}</pre></details>
</section>
<section>
<h2>Repeat it</h2>
<pre class="command">${repeatCommand(report.plan)}</pre>
<p class="note">To train anew beside this run, change the name in the workflow id and in the input.</p>
</section>`;

const listChecks = ({ checks }: Report): readonly (readonly [string, string])[] =>
  checks.map(({ about, verdict, says }) => [about, verdict === 'ok' ? says : `${verdict}: ${says}`]);

function listPlan(report: Report): readonly (readonly [string, string])[] {
  const { recipe, dataset, weights, epochs, batchPerGpu, seed, loaderWorkers, speed, checkpoint } = report.plan;
  return [
    ['recipe', recipe.name],
    ['data set', dataset.id],
    ['backbone weights', weights.backbone.id],
    ['length', formatPlural(epochs, 'epoch')],
    ['batch', `${countDevices(report)} × ${formatPlural(batchPerGpu, 'image')}`],
    ['seed', String(seed)],
    ['loader processes', `${formatCount(loaderWorkers)} for each`],
    ['speed switches', activeSwitches(speed).join(', ') || 'none'],
    ['checkpoints', `every ${checkpoint.everyMinutes} min and every epoch, the last ${checkpoint.keepLast} kept`],
  ];
}

const drawFacts = (facts: readonly (readonly [string, string])[], kind = ''): Markup =>
  markup`<dl class="facts ${kind}">${facts.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
