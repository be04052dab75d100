import type { ReadLiveRun } from '../../activities/pages/runs/live-run.ts';
import { renderLiveFragment, renderLivePage } from '../../activities/pages/runs/render-live.ts';
import { renderRunList } from '../../activities/pages/runs/render-run-list.ts';
import type { ListRunRows } from '../../activities/pages/runs/run-index.ts';
import { renderComparison } from '../../activities/pages/runs/render-comparison.ts';
import { renderNotFound } from '../../activities/pages/render-not-found.ts';
import type { ModelReader } from '../../activities/pages/models/read-models.ts';
import { renderModelList } from '../../activities/pages/models/render-model-list.ts';
import { renderModel } from '../../activities/pages/models/render-model.ts';
import { readRegularFile } from '../../activities/shared/files/regular-file.ts';
import { renderNavigation } from '../../activities/report/components/navigation.ts';
import { pagePaths } from '../../configs/names.ts';
import { homeFolders } from '../../configs/paths.ts';
import { ModelName, RunName } from '../../configs/schema/index.ts';

export type Page = Document | { readonly movedTo: string };

interface PageSources {
  readonly home: string;
  readonly listRuns: ListRunRows;
  readonly readRun: ReadLiveRun;
  readonly models: ModelReader;
}

interface Document {
  readonly type: string;
  readonly body: string | Buffer;
  /** True for pages that carry their own content security policy. Anything else is sandboxed. */
  readonly isPage: boolean;
  /** 200 by default. */
  readonly status?: number;
}

const html = 'text/html; charset=utf-8';

/** The only files of a report folder that are served. */
const reportFiles = new Map([
  ['index.html', html],
  ['report.json', 'application/json'],
  ['analysis.json', 'application/json'],
  ['bootstrap.json', 'application/json'],
  // Browsers display plain text, but download Markdown.
  ['report.md', 'text/plain; charset=utf-8'],
]);

/** Finds the page at a path, which is used as sent, without decoding. */
export async function findPage(sources: PageSources, path: string, query: URLSearchParams): Promise<Page> {
  const { home, listRuns, readRun, models } = sources;
  if (path === pagePaths.runs) return htmlPage(renderRunList(await listRuns(), Date.now() / 1000));
  if (path === pagePaths.compare) return findComparison(home, query.getAll('run'));
  const page = path.startsWith(pagePaths.models)
    ? await findModelPage(models, path)
    : await findRunPage(home, readRun, path);
  return page ?? notFound('There is no such page.');
}

const htmlPage = (body: string): Document => ({ type: html, isPage: true, body });

const notFound = (message: string): Document => ({ ...htmlPage(renderNotFound(message)), status: 404 });

async function findComparison(home: string, names: readonly string[]): Promise<Page> {
  const { html: body, isCompared } = await renderComparison(home, names);
  return { ...htmlPage(body), status: isCompared ? 200 : 400 };
}

async function findModelPage(models: ModelReader, path: string): Promise<Page | undefined> {
  if (path === pagePaths.models) return htmlPage(renderModelList(await models.list(), models.address));
  if (path === `${pagePaths.models}/`) return { movedTo: pagePaths.models };
  const [, name, slash] = /^\/models\/([^/]+)(\/?)$/.exec(path) ?? [];
  const model = ModelName.safeParse(name);
  if (!model.success) return undefined;
  if (slash !== '') return { movedTo: pagePaths.model(model.data) };
  const details = await models.read(model.data);
  return details === undefined
    ? notFound(`${models.address} contains no model ${model.data}. Set EVERSWIN_MODELS_STORE to use another store.`)
    : htmlPage(renderModel(details, models.address));
}

async function findRunPage(home: string, readRun: ReadLiveRun, path: string): Promise<Page | undefined> {
  const [, name, rest] = /^\/runs\/([^/]+)(?:\/([^/]*))?$/.exec(path) ?? [];
  const runId = RunName.safeParse(name);
  if (!runId.success) return undefined;
  const live = await readRun(runId.data);
  if (live === undefined) return notFound(`There is no run ${runId.data} on this machine.`);
  if (rest === undefined) return { movedTo: pagePaths.run(runId.data) };
  if (rest === pagePaths.fragment) return { type: html, isPage: false, body: renderLiveFragment(live) };
  if (rest !== '') return readReportFile(home, runId.data, rest);
  const report = live.stage === 'completed' ? await readReportFile(home, runId.data, 'index.html') : undefined;
  return report === undefined ? htmlPage(renderLivePage(live)) : { ...report, body: addNavigation(report.body) };
}

/** Adds the links to the other pages to a report, which as a file has none. */
const addNavigation = (report: string | Buffer): string =>
  String(report).replace('<header>\n', (start) => `${start}${String(renderNavigation())}`);

/** @returns undefined unless the report folder itself contains a regular file of an allowed name. */
async function readReportFile(home: string, runId: string, name: string): Promise<Document | undefined> {
  const type = reportFiles.get(name);
  if (type === undefined) return undefined;
  const body = await readRegularFile(homeFolders(home).runs, `${runId}/report/${name}`, (file) => file.readFile());
  return body && { type, isPage: type === html, body };
}
