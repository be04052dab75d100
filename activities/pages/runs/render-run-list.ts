import { pagePaths } from '../../../configs/names.ts';
import { formatInstant, formatPlural } from '../../shared/summary/format-time.ts';
import { formatFailureLine } from '../../shared/summary/run-failure.ts';
import { markup } from '../../report/components/markup.ts';
import { renderPage } from '../../report/components/page.ts';
import { renderNavigation } from '../../report/components/navigation.ts';
import type { RunSummary } from './list-runs.ts';

/** Renders the list of runs. */
export const renderRunList = (runs: readonly RunSummary[]): string =>
  renderPage({
    kind: 'everswin',
    title: 'Runs on this machine',
    navigation: renderNavigation('runs'),
    summary: markup`<p class="note">${formatPlural(runs.length, 'run')}</p>`,
    sections: [{ id: 'runs', title: 'Runs', body: renderRuns(runs) }],
  });

const renderRuns = (runs: readonly RunSummary[]) =>
  runs.length === 0
    ? markup`<p>No runs yet. <code>everswin start configs/runs/demo.json</code> starts one.</p>`
    : markup`<div class="scroll" role="region" aria-label="Runs" tabindex="0"><table class="plain sortable">
<thead><tr><th scope="col" data-sort="text">Run</th><th scope="col" data-sort="text">Last change</th><th scope="col">Outcome</th></tr></thead>
<tbody>${runs.map(
        (run) =>
          markup`<tr><th scope="row"><a href="${pagePaths.run(run.runId)}">${run.runId}</a></th><td>${run.changedAt === null ? '–' : formatInstant(run.changedAt)}</td><td>${formatOutcome(run)}</td></tr>`,
      )}</tbody></table></div>`;

const formatOutcome = ({ failure, hasReport }: RunSummary): string => {
  if (failure !== null) return `failed: ${formatFailureLine(failure)}`;
  return hasReport ? 'report written' : '–';
};
