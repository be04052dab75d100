import { Context } from '@temporalio/activity';
import { modelKeys } from '../../configs/names.ts';
import { homeFolders } from '../../configs/paths.ts';
import type { CatalogFile, ModelVersion, RegistryState, VersionId } from '../../configs/schema/index.ts';
import type { RetrainDependencies } from './dependencies.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { withScratchFolder } from '../shared/files/scratch-folder.ts';
import { changeRegistry, readRegistry, type ChangeRequest } from '../registry/registry-state.ts';
import { readVersion } from '../registry/versions.ts';

interface ModelRequest {
  model: string;
  store: string;
}

interface VersionWithSource {
  version: ModelVersion;
  /** Catalog entry that its weights can be fetched with. */
  source: CatalogFile;
}

/** Reads champion, candidate and history of a model. */
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

/** Changes the state of a model. @throws CodedError StoreConflict if the champion is no longer the expected one. */
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
