import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { homeFolders } from '../../configs/paths.ts';
import { PackedFolder } from '../../configs/schema/index.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import { datasetInvalid } from './dataset-invalid.ts';
import type { PreparationContext } from './preparation-context.ts';
import type { ImportedFile } from './mutable-source.ts';

/**
 * Packs a user's folder of images into an archive, so that it is read, checked and kept like every other data set and
 * later changes in the folder cannot reach a run.
 * @param shown where it comes from, as people know it.
 * @throws CodedError DatasetInvalid with what cannot be packed.
 */
export async function packFolder(
  folder: string,
  shown: string,
  { home, python, signal, onProgress }: PreparationContext,
): Promise<ImportedFile> {
  const { downloads } = homeFolders(home);
  await mkdir(downloads, { recursive: true });
  const path = `${downloads}/packed-${randomUUID()}.zip`;
  const what = `packing ${shown}`;
  onProgress({ what });
  const answer = await runTrainerCommand({
    python,
    signal,
    output: PackedFolder,
    argv: ['pack-folder', '--folder', folder, '--archive', path],
    onStage: ({ done, total }) => onProgress({ what, bytes: done, totalBytes: total }),
  });
  if (answer.ok) return { path, bytes: answer.bytes, sha256: answer.sha256 };
  throw datasetInvalid(`${shown} cannot be packed`, answer.problems);
}
