import { modelKeys } from '../../configs/names.ts';
import { GateVerdict } from '../../configs/schema/index.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { readJson } from '../shared/files/json-file.ts';

/**
 * Reads the gate verdict that a registry change cites as evidence.
 * @param folder scratch folder for the download.
 * @throws CodedError StoreDamaged if it is missing, does not match its hash, or is not a verdict.
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
  if (verdict === undefined)
    throw new CodedError('StoreDamaged', `${store.address}/${key} is not a valid gate verdict.`);
  return verdict;
}
