import { pagePaths } from '../../../configs/names.ts';
import { homeFolders, runFolder } from '../../../configs/paths.ts';
import { RunName } from '../../../configs/schema/index.ts';
import { compareRuns } from '../../compare/compare-runs.ts';
import { comparedFiles, loadRun } from '../../compare/load-run.ts';
import { maxCurves as maxRuns, renderComparisonHtml } from '../../compare/render-html.ts';
import { markup } from '../../report/components/markup.ts';
import { renderNavigation } from '../../report/components/navigation.ts';
import { renderPage } from '../../report/components/page.ts';
import { CodedError } from '../../shared/errors/coded-error.ts';
import { isRegularFile } from '../../shared/files/regular-file.ts';
import { explainUnfinishedRun } from '../../shared/run/unfinished-run.ts';
import { listRunNames } from './list-runs.ts';

interface ComparisonPage {
  readonly html: string;
  /** Whether the runs could be compared; otherwise the page explains why not. */
  readonly isCompared: boolean;
}

/** Renders the comparison of the runs that a person chose, each with the first. */
export async function renderComparison(home: string, chosen: readonly string[]): Promise<ComparisonPage> {
  const names = [...new Set(chosen)];
  const problem = await findProblem(home, names);
  if (problem !== undefined) return renderProblem(problem);
  try {
    const runs = await Promise.all(names.map((name) => loadRun(runFolder(home, name).report)));
    const reports = runs.map(({ report }) => report);
    const comparison = compareRuns(runs, Date.now() / 1000);
    return { html: renderComparisonHtml(comparison, reports, renderNavigation()), isCompared: true };
  } catch (error) {
    if (error instanceof CodedError && error.code === 'NotComparable') return renderProblem(error.message);
    throw error;
  }
}

/** Explains why runs cannot be compared. @returns undefined if each has a report. */
async function findProblem(home: string, names: readonly string[]): Promise<string | undefined> {
  if (names.length < 2 || names.length > maxRuns) return `Expected 2 to ${maxRuns} runs, got ${names.length}.`;
  const known = new Set(await listRunNames(home));
  for (const name of names) {
    if (!RunName.safeParse(name).success || !known.has(name)) return `There is no run "${name}" on this machine.`;
    if (await hasReport(home, name)) continue;
    return `There is no report to compare, because ${(await explainUnfinishedRun(home, name)) ?? `run ${name} was deleted.`}`;
  }
  return undefined;
}

/** Returns whether a run has a report whose files are no links, which could lead out of the folder of runs. */
async function hasReport(home: string, runId: string): Promise<boolean> {
  const { runs } = homeFolders(home);
  const found = comparedFiles.map(async (name) => isRegularFile(runs, `${runId}/report/${name}`));
  const files = await Promise.all(found);
  return files.at(-1) === true && !files.includes(false);
}

const renderProblem = (problem: string): ComparisonPage => ({
  isCompared: false,
  html: renderPage({
    kind: 'everswin comparison',
    title: 'These runs cannot be compared',
    navigation: renderNavigation(),
    summary: markup`<p class="verdict">${problem}</p>
<p>Choose completed runs in the <a href="${pagePaths.runs}">table of runs</a>.</p>`,
    sections: [],
  }),
});
