import { stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { InspectedArchives, type ArchivesSpec, type CatalogFile, type RunPlan } from '../../configs/schema/index.ts';
import { parseAllowedUrl } from '../shared/download/sources/source-policy.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';
import { findObject } from '../shared/store/objects.ts';
import { withTemporaryFolder } from '../shared/files/scratch-folder.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import type { PreparationContext } from './preparation-context.ts';

export interface ArchiveInspection {
  /** Files that were inspected. */
  names: string[];
  problems: string[];
}

/**
 * Finds local files of a data set that cannot be what the plan uses them for, such as a tar archive of images. Reads only
 * the directories of archives and the first bytes of other files. Folders and files that are elsewhere are ignored.
 */
export async function inspectArchives(
  { archives, train, val }: RunPlan['dataset'],
  context: PreparationContext,
): Promise<ArchiveInspection> {
  const files: Record<string, string> = {};
  for (const archive of archives) {
    const path = await findLocalPath(archive, context);
    if (path !== undefined) files[archive.file] = path;
  }
  const names = Object.keys(files);
  if (names.length === 0) return { names, problems: [] };
  return withTemporaryFolder(async (folder) => {
    const spec: ArchivesSpec = { v: 1, files, splits: { train, val } };
    await writeFile(`${folder}/spec.json`, JSON.stringify(spec));
    const { problems } = await runTrainerCommand({
      python: context.python,
      signal: context.signal,
      output: InspectedArchives,
      argv: ['inspect-archives', '--spec', `${folder}/spec.json`],
    });
    return { names, problems };
  });
}

/** Returns the path of a file on this machine: in the store, or at its local address. */
async function findLocalPath({ sha256, urls }: CatalogFile, context: PreparationContext): Promise<string | undefined> {
  const stored = sha256 === null ? undefined : await findObject(context.home, sha256);
  if (stored !== undefined) return stored.path;
  const [url = ''] = urls;
  if (!url.startsWith('file:') || url.endsWith('/')) return undefined;
  const path = fileURLToPath(parseAllowedUrl(url, context.policy));
  return (await ignoreMissing(stat(path)))?.isFile() === true ? path : undefined;
}
