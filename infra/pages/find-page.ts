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

interface PageSources {
  readonly home: string;
  readonly gather: ReadLiveRun;
  readonly models: ModelReader;
}

interface Document {
  readonly type: string;
  readonly body: string | Buffer;
  /** True for pages that carry their own content security policy. Anything else is sandboxed. */
  readonly isPage: boolean;
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

/** Finds the page at a path, which is used as sent, without decoding. @returns undefined if there is none. */
export async function findPage({ home, gather, models }: PageSources, path: string): Promise<Page | undefined> {
  if (path === pagePaths.runs) return htmlPage(renderRunList(await listRunFolders(home)));
  if (path.startsWith(pagePaths.models)) return findModelPage(models, path);
  return findRunPage(home, gather, path);
}

const htmlPage = (body: string): Page => ({ type: html, isPage: true, body });

async function findModelPage(models: ModelReader, path: string): Promise<Page | undefined> {
  if (path === pagePaths.models) return htmlPage(renderModelList(await models.list(), models.address));
  if (path === `${pagePaths.models}/`) return { movedTo: pagePaths.models };
  const [, name, slash] = /^\/models\/([^/]+)(\/?)$/.exec(path) ?? [];
  const model = ModelName.safeParse(name);
  if (!model.success) return undefined;
  if (slash !== '') return { movedTo: pagePaths.model(model.data) };
  const details = await models.read(model.data);
  return details === undefined
    ? {
        missing: `${models.address} contains no model ${model.data}. Set EVERSWIN_MODELS_STORE to use another store.`,
      }
    : htmlPage(renderModel(details, models.address));
}

async function findRunPage(home: string, gather: ReadLiveRun, path: string): Promise<Page | undefined> {
  const [, name, rest] = /^\/runs\/([^/]+)(?:\/([^/]*))?$/.exec(path) ?? [];
  const runId = RunName.safeParse(name);
  if (!runId.success) return undefined;
  const live = await gather(runId.data);
  if (live === undefined) return undefined;
  if (rest === undefined) return { movedTo: pagePaths.run(runId.data) };
  if (rest === pagePaths.fragment) return { type: html, isPage: false, body: renderLiveFragment(live) };
  if (rest !== '') return readReportFile(home, runId.data, rest);
  const report =
    live.isReported && live.failure === null ? await readReportFile(home, runId.data, 'index.html') : undefined;
  return report ?? htmlPage(renderLivePage(live));
}

/** @returns undefined unless the report folder itself contains a regular file of an allowed name. */
async function readReportFile(home: string, runId: string, name: string): Promise<Page | undefined> {
  const type = reportFiles.get(name);
  if (type === undefined) return undefined;
  const path = `${runFolder(home, runId).report}/${name}`;
  try {
    // The home and its folder of runs may be links to a larger disk. Nothing inside may be a link.
    const inside = `${await realpath(homeFolders(home).runs)}/${runId}/report/${name}`;
    if ((await realpath(path)) !== inside) return undefined;
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return (await file.stat()).isFile() ? { type, isPage: type === html, body: await file.readFile() } : undefined;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemErrorCode(error) ?? '')) return undefined;
    throw error;
  }
}
