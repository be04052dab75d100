import { modelKeys, modelsRoot } from '../../configs/names.ts';
import { ModelVersion, type VersionFile, type VersionId } from '../../configs/schema/index.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { readJson } from '../shared/files/json-file.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';

/** File of a version and its current path. */
export interface VersionSource extends VersionFile {
  path: string;
}

/**
 * Publishes a version: its files first, version.json last. An existing version is not changed.
 * @param folder scratch folder on the disk of the sources.
 */
export async function publishVersion(
  store: ArtifactStore,
  version: ModelVersion,
  sources: readonly VersionSource[],
  { folder, signal }: { folder: string; signal?: AbortSignal },
): Promise<void> {
  const keys = modelKeys(version.model);
  const options = signal === undefined ? {} : { signal };
  if (await isComplete(store, keys.version(version.id), signal)) return;
  for (const { file, path, sha256 } of sources)
    await store.put(keys.versionFile(version.id, file), path, { ...options, sha256 });
  const path = `${folder}/version.json`;
  await writeFileAtomic(path, JSON.stringify(version, null, 2));
  await store.put(keys.version(version.id), path, options);
}

/** Lists the names of all models, sorted. */
export async function listModels(store: ArtifactStore, signal?: AbortSignal): Promise<string[]> {
  const keys = await store.list(modelsRoot, signal);
  return [...new Set(keys.flatMap(({ key }) => key.slice(modelsRoot.length).split('/')[0] ?? []))];
}

/** Lists the IDs of the complete versions of a model, sorted. */
export async function listVersions(store: ArtifactStore, model: string, signal?: AbortSignal): Promise<VersionId[]> {
  const { versions } = modelKeys(model);
  const keys = (await store.list(versions, signal))
    .map(({ key }) => key)
    .filter((key) => key.endsWith('/version.json'));
  const areComplete = await Promise.all(keys.map((key) => isComplete(store, key, signal)));
  return keys.filter((_, place) => areComplete[place]).flatMap((key) => key.slice(versions.length).split('/')[0] ?? []);
}

/** Returns whether an object is complete. A killed upload leaves one without metadata until the next put. */
const isComplete = async (store: ArtifactStore, key: string, signal?: AbortSignal): Promise<boolean> =>
  (await store.head(key, signal))?.sha256 != null;

/**
 * Reads a version from the registry.
 * @param folder scratch folder for the download.
 * @throws CodedError NotInCatalog if there is no such version, or StoreDamaged.
 */
export async function readVersion(
  store: ArtifactStore,
  model: string,
  id: VersionId,
  { folder, signal }: { folder: string; signal?: AbortSignal },
): Promise<ModelVersion> {
  const key = modelKeys(model).version(id);
  if (!(await isComplete(store, key, signal)))
    throw new CodedError(
      'NotInCatalog',
      `Model ${model} has no version ${id}. everswin models show ${model} lists them.`,
    );
  const path = `${folder}/version.json`;
  await store.get(key, path, signal === undefined ? {} : { signal });
  const version = await readJson(path, ModelVersion);
  if (version === undefined)
    throw new CodedError('StoreDamaged', `${store.address}/${key} is not a valid model version.`);
  return version;
}

/** Fetches files of a version and verifies their sha256. */
export async function fetchVersionFiles(
  store: ArtifactStore,
  version: ModelVersion,
  names: readonly string[],
  { folder, signal }: { folder: string; signal?: AbortSignal },
): Promise<void> {
  const keys = modelKeys(version.model);
  for (const { file, sha256 } of [version.weights, ...version.files].filter(({ file }) => names.includes(file)))
    await store.get(keys.versionFile(version.id, file), `${folder}/${file}`, { sha256, ...(signal && { signal }) });
}
