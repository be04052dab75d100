import type { Report } from '../../../configs/schema.ts';
import { type Markup, markup } from './markup.ts';
import { repeatCommand } from './repeat-command.ts';
import { countDevices, listHashes } from './run-facts.ts';
import { formatCount, formatPlural } from './time-text.ts';

/** What was run, on what, and how to run it again. */
export const drawSetup = (report: Report): Markup => markup`<section>
<h2>Plan and environment</h2>
<h3>Plan</h3>
${drawFacts(listPlan(report))}
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

const listPlan = (report: Report): readonly (readonly [string, string])[] => {const { plan } = report; return [
  ['recipe', plan.recipe.name],
  ['data set', plan.dataset.id],
  ['backbone weights', plan.weights.backbone.id],
  ['length', formatPlural(plan.epochs, 'epoch')],
  ['batch', `${countDevices(report)} × ${formatPlural(plan.batchPerGpu, 'image')}`],
  ['seed', String(plan.seed)],
  ['loader processes', `${formatCount(plan.loaderWorkers)} for each`],
  [
    'checkpoints',
    `every ${plan.checkpoint.everyMinutes} min and every epoch, the last ${plan.checkpoint.keepLast} kept`,
  ],
];

const drawFacts = (facts: readonly (readonly [string, string])[], kind = ''): Markup =>
  markup`<dl class="facts ${kind}">${facts.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
