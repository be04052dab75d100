import type { ArtifactStore } from '../../activities/shared/store/artifact-store.ts';
import { applyChange, readRegistry } from '../../activities/registry/registry-state.ts';
import { fetchVersionFiles, listVersions, readVersion } from '../../activities/registry/versions.ts';
import type { RegistryState } from '../../configs/schema/index.ts';

/**
 * Returns what is wrong in a registry: a state that does not follow from its history, incomplete versions, or a version
 * that became candidate or champion twice. Reads the files of the newest versions only.
 * @param folder download folder.
 */
export async function findInconsistencies(store: ArtifactStore, model: string, folder: string): Promise<string[]> {
  const { state } = await readRegistry(store, model);
  const { history, champion } = state;
  const versions = await listVersions(store, model);
  const inconsistencies: string[] = [];
  const empty: RegistryState = { v: 1, model, champion: null, candidate: null, history: [] };
  if (JSON.stringify(history.reduce(applyChange, empty)) !== JSON.stringify(state))
    inconsistencies.push('the state does not follow from its history');
  for (const action of ['candidate', 'promote'] as const) {
    const done = history.filter((change) => change.action === action).map(({ version }) => version);
    if (new Set(done).size < done.length) inconsistencies.push(`a version appears twice with action ${action}`);
    if (action === 'promote' && done.at(-1) !== (champion ?? undefined))
      inconsistencies.push('the champion is not the version that was promoted last');
  }
  for (const id of history.map(({ version }) => version))
    if (!versions.includes(id)) inconsistencies.push(`${id} is in the history but not in the registry`);
  for (const id of versions.slice(-3)) {
    const version = await readVersion(store, model, id, { folder });
    // Fails if the bytes do not match the hashes of the version.
    await fetchVersionFiles(store, version, [version.weights.file], { folder });
  }
  return inconsistencies;
}
