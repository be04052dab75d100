import { pagePaths } from '../../../configs/names.ts';
import { maxCurves } from '../../compare/render-html.ts';
import { renderNavigation } from '../../report/components/navigation.ts';
import { markup, type Markup } from '../../report/components/markup.ts';
import { renderPage } from '../../report/components/page.ts';
import { drawBar } from '../../report/components/share-bar.ts';
import { roundHours } from '../../report/sections/cost.ts';
import { formatAp } from '../../shared/summary/format-score.ts';
import { formatAge, formatDuration, formatInstant, formatPlural } from '../../shared/summary/format-time.ts';
import type { RunRow } from './run-index.ts';
import { runListScript } from './run-list-script.ts';
import { runListStyle } from './run-list-style.ts';
import { runningStages, stageNames } from './run-state.ts';
import { drawSparkline } from './sparkline.ts';

/** Seconds without a heartbeat after which a running trainer looks stuck. */
const silentSeconds = 600;

/** Renders the table of runs. @param now Unix seconds. */
export const renderRunList = (runs: readonly RunRow[], now: number): string =>
  renderPage({
    kind: 'everswin',
    title: 'Runs on this machine',
    navigation: renderNavigation('runs'),
    isWide: true,
    style: runListStyle,
    script: runListScript,
    allowConnect: true,
    allowForms: true,
    summary: markup`<p class="note" id="count">${countStages(runs)}</p>`,
    sections: [{ id: 'runs', title: 'Runs', body: runs.length === 0 ? emptyState : renderRuns(runs, now) }],
  });

const emptyState = markup`<div class="empty"><p class="lead">No runs yet.</p>
<p>Start one in the folder in which <code>everswin up</code> runs:</p>
<pre class="command">everswin start configs/runs/demo.json</pre>
<p class="note">The demo trains a small detector on generated images in a few minutes. It appears here as soon as it is planned.</p></div>`;

/** Formats `12 runs: 1 training, 1 interrupted, 10 completed`. */
function countStages(runs: readonly RunRow[]): string {
  const counts = new Map<string, number>();
  for (const { stage } of runs) counts.set(stage, (counts.get(stage) ?? 0) + 1);
  const parts = Object.entries(stageNames).flatMap(([stage, name]) => {
    const count = counts.get(stage);
    return count === undefined ? [] : [`${count} ${name.charAt(0).toLowerCase()}${name.slice(1)}`];
  });
  return [formatPlural(runs.length, 'run'), ...(parts.length === 0 ? [] : [parts.join(', ')])].join(': ');
}

const renderRuns = (runs: readonly RunRow[], now: number): Markup => markup`${renderControls(runs)}
<div class="scroll" role="region" aria-label="Runs" tabindex="0"><table class="plain sortable runs">
<thead><tr><td></td><th scope="col" data-sort="text">Run</th><th scope="col" data-sort="text">State</th><th scope="col" data-sort="number">Epochs</th><th scope="col" data-sort="number">Box AP</th><th scope="col" data-sort="text">Data set</th><th scope="col" data-sort="text">Recipe</th><th scope="col" class="number" data-sort="number">GPU hours</th><th scope="col" class="number" data-sort="number">Heartbeat</th><th scope="col" class="number" data-sort="number">Started, UTC</th></tr></thead>
<tbody>${runs.map((run) => renderRow(run, now))}</tbody></table></div>
<p class="note">Newest first. Box AP: of the test, otherwise of the newest validation; the curve shows all validations and marks the best. GPU hours: time of all trainers, times their ranks.</p>`;

function renderControls(runs: readonly RunRow[]): Markup {
  const completed = runs.filter(({ stage }) => stage === 'completed').length;
  const compare = markup`<form id="compare" action="${pagePaths.compare}"><button>Compare</button> <span class="note">Choose 2 to ${maxCurves} completed runs.</span></form>`;
  return markup`<div class="controls"><label id="search" hidden>Search <input type="search" autocomplete="off" spellcheck="false" placeholder="name, state, data, recipe"> <span class="note" role="status"></span></label>${completed < 2 ? '' : compare}</div>`;
}

function renderRow(run: RunRow, now: number): Markup {
  const { runId, stage, dataset, recipe, startedAt } = run;
  const choice =
    stage === 'completed'
      ? markup`<input type="checkbox" form="compare" name="run" value="${runId}" aria-label="Compare ${runId}">`
      : '';
  return markup`<tr><td class="choice">${choice}</td><th scope="row" class="name"><a href="${pagePaths.run(runId)}">${runId}</a></th><td class="state">${renderState(run)}</td><td class="epochs" data-label="epoch" data-value="${run.share ?? ''}">${renderEpochs(run)}</td><td class="ap" data-label="AP" data-value="${run.boxAP ?? ''}">${renderScore(run)}</td><td class="data" data-label="data" data-value="${dataset ?? ''}">${dataset ?? '–'}</td><td class="recipe" data-label="recipe" data-value="${recipe ?? ''}">${recipe ?? '–'}</td><td class="number" data-label="hours" data-value="${run.deviceHours ?? ''}">${formatHours(run)}</td><td class="number" data-label="heartbeat" data-value="${run.heartbeatAt ?? ''}">${renderHeartbeat(run, now)}</td><td class="number started" data-label="started" data-value="${startedAt}">${formatInstant(startedAt).replace(' UTC', '')}</td></tr>
`;
}

const renderState = ({ stage, reason, progress }: RunRow): Markup => {
  const { etaSeconds } = progress;
  const left = stage === 'training' && etaSeconds !== null ? `${formatDuration(etaSeconds)} left` : '';
  const more = reason ?? left;
  return markup`<span class="stage ${stage}">${stageNames[stage]}</span>${more === '' ? '' : markup`<small title="${more}">${more}</small>`}`;
};

function renderEpochs({ progress, share }: RunRow): Markup | string {
  const { epoch, epochs } = progress;
  if (share === null) return '–';
  const label = `Epoch ${epoch} of ${epochs}`;
  return markup`<span>${epoch}/${epochs}</span>${drawBar(label, [{ kind: 'done', value: share, label }], 1)}`;
}

const renderScore = ({ boxAP, validations }: RunRow): Markup =>
  markup`<span>${formatAp(boxAP)}</span>${drawSparkline(validations)}`;

const formatHours = ({ deviceHours, device }: RunRow): string => {
  if (deviceHours === null) return '–';
  return device === 'CPU' ? `${roundHours(deviceHours)} CPU` : roundHours(deviceHours);
};

function renderHeartbeat({ heartbeatAt, stage }: RunRow, now: number): Markup | string {
  if (heartbeatAt === null) return '–';
  const isSilent = runningStages.has(stage) && now - heartbeatAt > silentSeconds;
  return markup`<span${isSilent ? markup` class="gone"` : ''} title="${formatInstant(heartbeatAt)}">${formatAge(now - heartbeatAt)}</span>`;
}
