import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { compareRuns } from '../../activities/compare/compare-runs.ts';
import { formatComparisonVerdict } from '../../activities/compare/comparison-verdict.ts';
import { loadRun } from '../../activities/compare/load-run.ts';
import { maxCurves as maxRuns, renderComparisonHtml } from '../../activities/compare/render-html.ts';
import { renderComparisonMarkdown } from '../../activities/compare/render-markdown.ts';
import { explainUnfinishedRun } from '../../activities/shared/run/unfinished-run.ts';
import { writeFileAtomic } from '../../activities/shared/files/atomic-file.ts';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { defaultHome } from '../stack/stack-options.ts';
import { UsageError } from '../terminal/program.ts';
import { explainUnknownRun } from './unknown-run.ts';

/** Compares the plans, scores and curves of finished runs: names, or folders with report.json. */
export async function compare(names: string[], options: { out?: string | undefined }): Promise<void> {
  if (names.length < 2 || names.length > maxRuns)
    throw new UsageError(`Expected 2 to ${maxRuns} runs, got ${names.length}.`);
  const home = defaultHome();
  for (const name of names) await requireReport(home, name);
  const runs = await Promise.all(names.map((name) => loadRun(folderOf(home, name))));
  const comparison = compareRuns(runs, Date.now() / 1000);
  const out = resolve(options.out ?? homeFolders(home).comparison(comparison.runs.map(({ runId }) => runId).join('~')));
  await mkdir(out, { recursive: true });
  const pages = {
    'comparison.json': JSON.stringify(comparison, null, 2),
    'comparison.md': renderComparisonMarkdown(comparison),
    'index.html': renderComparisonHtml(
      comparison,
      runs.map(({ report }) => report),
    ),
  };
  for (const [name, content] of Object.entries(pages)) await writeFileAtomic(`${out}/${name}`, content);
  console.log([...formatComparisonVerdict(comparison), `${out}/index.html`].join('\n'));
}

/** @throws UsageError that says why a run has no report, or which runs there are. */
async function requireReport(home: string, name: string): Promise<void> {
  if (existsSync(`${folderOf(home, name)}/report.json`)) return;
  if (name.includes('/'))
    throw new UsageError(`${name} is no folder with a report.json. Name a run, or its report folder.`);
  const unfinished = await explainUnfinishedRun(home, name);
  throw new UsageError(
    unfinished === undefined
      ? await explainUnknownRun(home, name)
      : `There is no report to compare, because ${unfinished}`,
  );
}

const folderOf = (home: string, name: string): string =>
  existsSync(`${name}/report.json`) ? resolve(name) : runFolder(home, name).report;
