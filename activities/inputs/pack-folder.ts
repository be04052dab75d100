import { randomUUID } from 'node:crypto';
import { rename } from 'node:fs/promises';
import { homeFolders } from '../../configs/paths.ts';
import { PackedFolder } from '../../configs/schema/index.ts';
import { withScratchFolder } from '../shared/files/scratch-folder.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import { datasetInvalid } from './dataset-invalid.ts';
import type { PreparationContext } from './preparation-context.ts';
import type { ImportedFile } from './mutable-source.ts';

/**
 * Packs a folder of images into an archive. The archive is verified and stored like any other data set, and later changes
 * of the folder cannot affect a run.
 * @param displayName of the source, for progress and messages.
 * @throws CodedError DatasetInvalid with the files that cannot be packed.
 */
export async function packFolder(
  folder: string,
  displayName: string,
  { home, python, signal, onProgress }: PreparationContext,
): Promise<ImportedFile> {
  const { downloads } = homeFolders(home);
  const what = `packing ${displayName}`;
  onProgress({ what });
  return withScratchFolder(downloads, async (scratch) => {
    const archive = `${scratch}/packed.zip`;
    const answer = await runTrainerCommand({
      python,
      signal,
      output: PackedFolder,
      argv: ['pack-folder', '--folder', folder, '--archive', archive],
      onStage: ({ done, total }) => onProgress({ what, bytes: done, totalBytes: total }),
    });
    if (!answer.ok) throw datasetInvalid(`Cannot pack ${displayName}`, answer.problems);
    const path = `${downloads}/packed-${randomUUID()}.zip`;
    await rename(archive, path);
    return { path, bytes: answer.bytes, sha256: answer.sha256 };
  });
}
