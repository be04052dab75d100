/**
 * The model registry of the simulation. Reads and changes are the real ones, on the store of the simulated disk.
 * Publishing a version and the gate are stubs, because they read reports.
 */
import { Context } from '@temporalio/activity';
import { createDetectChanges } from '../../activities/retrain/detect-changes.ts';
import { createChangeModel, createReadModel, createReadVersion } from '../../activities/retrain/models.ts';
import type { RetrainDependencies } from '../../activities/retrain/dependencies.ts';
import { changeRegistry, readRegistry } from '../../activities/registry/registry-state.ts';
import { publishVersion } from '../../activities/registry/versions.ts';
import { withHeartbeat } from '../../activities/shared/temporal/heartbeat.ts';
import { versionId, type Fingerprint, type ModelVersion, type VersionId } from '../../configs/schema/index.ts';
import { mkdir } from './node/fs-promises.ts';
import { currentProcess } from './machine/process.ts';
import { aMetricsFile } from './machine/sample-metrics.ts';
import type { Activities } from './temporal/activity-worker.ts';

interface Candidate {
  model: string;
  store: string;
  runId: string;
  fingerprint: Fingerprint;
  who: string;
  why: string;
}

const { bbox, segm, images } = aMetricsFile('', '');
const zeros = '0'.repeat(64);

/** Activities of the control worker. @param gate returns whether a candidate passes. */
export function createRegistryActivities(
  dependencies: RetrainDependencies,
  gate: (candidate: VersionId) => boolean,
  onChanged: () => void,
): Activities {
  const changeModel = createChangeModel(dependencies);
  return {
    detectChanges: createDetectChanges(dependencies),
    readModel: createReadModel(dependencies),
    readVersion: createReadVersion(dependencies),
    changeModel: async (...args: Parameters<typeof changeModel>) => {
      const state = await changeModel(...args);
      onChanged();
      return state;
    },
    evaluateGate: ({ candidate }: { candidate: VersionId }) => {
      const passed = gate(candidate);
      return Promise.resolve({ passed, why: passed ? 'passed' : 'rejected: worse', evidence: 'e'.repeat(64) });
    },
  };
}

/** Publishes a version as the real activity does: its files, version.json, and then the change to candidate. */
export const createPublishCandidate =
  ({ openStore }: RetrainDependencies, onChanged: () => void) =>
  ({ model, store: address, runId, fingerprint, who, why }: Candidate): Promise<VersionId> =>
    withHeartbeat(
      () => `publishing ${runId}`,
      async () => {
        const store = openStore(address);
        const { cancellationSignal: signal } = Context.current();
        const id = versionId(runId, fingerprint.sha256);
        const version: ModelVersion = {
          v: 1,
          id,
          model,
          runId,
          createdAt: currentProcess().clock.now / 1000,
          recipe: { name: 'mini', sha256: zeros },
          planHash: fingerprint.sha256,
          fingerprint,
          weights: { file: 'weights.safetensors', sha256: zeros, bytes: 1 },
          // The champion is tested again when the data have changed since its test.
          test: { annotationsSha256: fingerprint.sha256, images, trainerCode: zeros },
          bbox,
          segm,
          files: [],
        };
        const folder = `/tmp/${currentProcess().host.uuid()}`;
        await mkdir(folder, { recursive: true });
        await publishVersion(store, version, [], { folder, signal });
        const { state } = await readRegistry(store, model, signal);
        if (state.history.some(({ action, version: known }) => action === 'candidate' && known === id)) return id;
        const change = { action: 'candidate', version: id, who, why, evidence: null } as const;
        const at = currentProcess().clock.now / 1000;
        await changeRegistry(store, model, change, { expected: state.champion, at, signal });
        onChanged();
        return id;
      },
    );
