import { Context } from '@temporalio/activity';
import { homeFolders } from '../../configs/paths.ts';
import type { Fingerprint, RunPlan, VersionId } from '../../configs/schema/index.ts';
import type { RetrainDependencies } from './dependencies.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { computeFingerprint, formatChange, translateEarlier } from './fingerprint.ts';
import { withScratchFolder } from '../shared/files/scratch-folder.ts';
import { readRegistry } from '../registry/registry-state.ts';
import { readVersion } from '../registry/versions.ts';

interface DetectChangesRequest {
  model: string;
  /** Address of the artifact store with the registry. */
  store: string;
  /** Plan of the training that would start. */
  plan: RunPlan;
}

interface DetectedChange {
  fingerprint: Fingerprint;
  /** Null if nothing changed. */
  changed: string | null;
  /** Version trained last, promoted or not. */
  last: VersionId | null;
  champion: VersionId | null;
}

/** Compares the planned training with the last one. */
export const createDetectChanges =
  ({ home, openStore }: RetrainDependencies) =>
  ({ model, store: address, plan }: DetectChangesRequest): Promise<DetectedChange> => {
    const { cancellationSignal: signal } = Context.current();
    return withHeartbeat(
      () => 'reading the registry',
      async () => {
        const store = openStore(address);
        const { state } = await readRegistry(store, model, signal);
        const last = state.history.findLast(({ action }) => action === 'candidate')?.version ?? null;
        const before =
          last === null
            ? undefined
            : await withScratchFolder(homeFolders(home).downloads, (folder) =>
                readVersion(store, model, last, { folder, signal }),
              );
        const fingerprint = computeFingerprint(plan);
        const changed = formatChange(before && translateEarlier(before.fingerprint, plan), fingerprint) ?? null;
        return { fingerprint, changed, last, champion: state.champion };
      },
    );
  };
