/** What may never be seen in a registry, however its writers died. */
import type { ArtifactStore } from '../../activities/shared/store/artifact-store.ts';
import { applyChange, readRegistry } from '../../activities/registry/registry-state.ts';
import { fetchVersionFiles, listVersions, readVersion } from '../../activities/registry/versions.ts';
import type { RegistryState } from '../../configs/schema/index.ts';

/**
 * One champion that follows from the history, whole versions only, nothing promoted or named twice. Of all versions the
 * newest ones are read.
 * @param folder where they are fetched to.
 */
export async function findFaults(store: ArtifactStore, model: string, folder: string): Promise<string[]> {
  const { state } = await readRegistry(store, model);
  const { history, champion } = state;
  const versions = await listVersions(store, model);
  const faults: string[] = [];
  const empty: RegistryState = { v: 1, model, champion: null, candidate: null, history: [] };
  if (JSON.stringify(history.reduce(applyChange, empty)) !== JSON.stringify(state))
    faults.push('the state does not follow from its history');
  for (const action of ['candidate', 'promote'] as const) {
    const done = history.filter((change) => change.action === action).map(({ version }) => version);
    if (new Set(done).size < done.length) faults.push(`${action}: a version has it twice`);
    if (action === 'promote' && done.at(-1) !== (champion ?? undefined))
      faults.push('the champion is not the last one promoted');
  }
  for (const id of history.map(({ version }) => version))
    if (!versions.includes(id)) faults.push(`${id} is in the history and not in the registry`);
  for (const id of versions.slice(-3)) {
    const version = await readVersion(store, model, id, { folder });
    // Refuses other bytes than the version names.
    await fetchVersionFiles(store, version, [version.weights.file], { folder });
  }
  return faults;
}
