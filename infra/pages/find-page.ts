import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { systemErrorCode } from '../../activities/shared/errors/coded-error.ts';
import type { ReadLiveRun } from '../../activities/pages/runs/live-run.ts';
import { renderLiveFragment, renderLivePage } from '../../activities/pages/runs/render-live.ts';
import { renderRunList } from '../../activities/pages/runs/render-run-list.ts';
import { listRunFolders } from '../../activities/pages/runs/list-runs.ts';
import type { ModelReader } from '../../activities/pages/models/read-models.ts';
import { renderModelList } from '../../activities/pages/models/render-model-list.ts';
import { renderModel } from '../../activities/pages/models/render-model.ts';
import { pagePaths } from '../../configs/names.ts';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { ModelName, RunName } from '../../configs/schema/index.ts';

export type Page = Document | { readonly movedTo: string } | { readonly missing: string };

export interface PageSources {
  readonly home: string;
  readonly gather: ReadLiveRun;
  readonly models: ModelReader;
}

interface Document {
  readonly type: string;
  readonly body: string | Buffer;
  /** A page of our own with its policy in it; anything else may do nothing at all where a browser opens it. */
  readonly isWhole: boolean;
}

const html = 'text/html; charset=utf-8';

/** Of a report's folder these and no others are shown. */
const reportFiles = new Map([
  ['index.html', html],
  ['report.json', 'application/json'],
  ['analysis.json', 'application/json'],
  ['bootstrap.json', 'application/json'],
  // A browser shows no Markdown, but text.
  ['report.md', 'text/plain; charset=utf-8'],
]);

/** What stands at a path of the server; undefined where nothing does. The path is as it was sent: nothing in it is decoded. */
export async function findPage({ home, gather, models }: PageSources, path: string): Promise<Page | undefined> {
  if (path === pagePaths.runs) return htmlPage(renderRunList(await listRunFolders(home)));
  if (path.startsWith(pagePaths.models)) return findModelPage(models, path);
  return findRunPage(home, gather, path);
}

const htmlPage = (body: string): Page => ({ type: html, isWhole: true, body });

async function findModelPage(models: ModelReader, path: string): Promise<Page | undefined> {
  if (path === pagePaths.models) return htmlPage(renderModelList(await models.list(), models.address));
  if (path === `${pagePaths.models}/`) return { movedTo: pagePaths.models };
  const [, name, slash] = /^\/models\/([^/]+)(\/?)$/.exec(path) ?? [];
  const model = ModelName.safeParse(name);
  if (!model.success) return undefined;
  if (slash !== '') return { movedTo: pagePaths.model(model.data) };
  const story = await models.read(model.data);
  return story === undefined
    ? { missing: `There is no model ${model.data} in ${models.address}. EVERSWIN_MODELS_STORE names another store.` }
    : htmlPage(renderModel(story, models.address));
}

async function findRunPage(home: string, gather: ReadLiveRun, path: string): Promise<Page | undefined> {
  const [, name, rest] = /^\/runs\/([^/]+)(?:\/([^/]*))?$/.exec(path) ?? [];
  const runId = RunName.safeParse(name);
  if (!runId.success) return undefined;
  const live = await gather(runId.data);
  if (live === undefined) return undefined;
  if (rest === undefined) return { movedTo: pagePaths.run(runId.data) };
  if (rest === pagePaths.fragment) return { type: html, isWhole: false, body: renderLiveFragment(live) };
  if (rest !== '') return readReportFile(home, runId.data, rest);
  const report = live.isReported ? await readReportFile(home, runId.data, 'index.html') : undefined;
  return report ?? htmlPage(renderLivePage(live));
}

/** Undefined for every other name, and for what is no plain file in that very folder. */
async function readReportFile(home: string, runId: string, name: string): Promise<Page | undefined> {
  const type = reportFiles.get(name);
  if (type === undefined) return undefined;
  const path = `${runFolder(home, runId).report}/${name}`;
  try {
    // The home and its folder of runs may be links to a larger disk, what is in there may not.
    const inside = `${await realpath(homeFolders(home).runs)}/${runId}/report/${name}`;
    if ((await realpath(path)) !== inside) return undefined;
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return (await file.stat()).isFile() ? { type, isWhole: type === html, body: await file.readFile() } : undefined;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemErrorCode(error) ?? '')) return undefined;
    throw error;
  }
}
