import { modelKeys } from '../../configs/names.ts';
import { GateVerdict } from '../../configs/schema/index.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { readJson } from '../shared/files/json-file.ts';

/**
 * Reads the document that a change of the registry names as its evidence.
 * @param folder where it is fetched to.
 * @throws CodedError StoreDamaged when it is not there, has other bytes than its name says, or is no verdict.
 */
export async function readVerdict(
  store: ArtifactStore,
  model: string,
  sha256: string,
  { folder }: { folder: string },
): Promise<GateVerdict> {
  const key = modelKeys(model).verdict(sha256);
  const path = `${folder}/verdict.json`;
  await store.get(key, path, { sha256 });
  const verdict = await readJson(path, GateVerdict);
  if (verdict === undefined) throw new CodedError('StoreDamaged', `${store.address}/${key} is no verdict.`);
  return verdict;
}
