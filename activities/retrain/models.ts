import { Context } from '@temporalio/activity';
import { modelKeys } from '../../configs/names.ts';
import { homeFolders } from '../../configs/paths.ts';
import type { CatalogFile, ModelVersion, RegistryState, VersionId } from '../../configs/schema/index.ts';
import type { RetrainDependencies } from './dependencies.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { withScratchFolder } from '../shared/files/scratch-folder.ts';
import { changeRegistry, readRegistry, type ChangeRequest } from '../registry/registry-state.ts';
import { readVersion } from '../registry/versions.ts';

export interface ModelRequest {
  model: string;
  store: string;
}

export interface VersionWithSource {
  version: ModelVersion;
  /** Where its weights can be fetched from, as an entry of a catalog. */
  source: CatalogFile;
}

/** Champion and candidate of a model, and how they came to be. */
export const createReadModel =
  ({ openStore }: RetrainDependencies) =>
  ({ model, store }: ModelRequest): Promise<RegistryState> =>
    withHeartbeat(
      () => 'reading the registry',
      async () => (await readRegistry(openStore(store), model, Context.current().cancellationSignal)).state,
    );

export const createReadVersion =
  ({ home, openStore }: RetrainDependencies) =>
  ({ model, store: address, id }: ModelRequest & { id: VersionId }): Promise<VersionWithSource> =>
    withHeartbeat(
      () => 'reading the registry',
      async () => {
        const { cancellationSignal: signal } = Context.current();
        const store = openStore(address);
        const version = await withScratchFolder(homeFolders(home).downloads, (folder) =>
          readVersion(store, model, id, { folder, signal }),
        );
        const { file, sha256, bytes } = version.weights;
        const url = `${store.address.replace(/\/$/, '')}/${modelKeys(model).versionFile(id, file)}`;
        return { version, source: { file, urls: [url], bytes, sha256 } };
      },
    );

/** @throws CodedError StoreConflict when the champion is not the expected one any more. */
export const createChangeModel =
  ({ openStore }: RetrainDependencies) =>
  ({ model, store, wanted, expected }: ModelRequest & { wanted: ChangeRequest; expected: VersionId | null }) =>
    withHeartbeat(
      () => `${wanted.action} ${wanted.version}`,
      () =>
        changeRegistry(openStore(store), model, wanted, {
          expected,
          at: Date.now() / 1000,
          signal: Context.current().cancellationSignal,
        }),
    );
