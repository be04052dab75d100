import { Context } from '@temporalio/activity';
import { homeFolders } from '../configs/paths.ts';
import type { FetchedDataset, RunPlan } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';
import { extractDataset, readDoneMarker } from './lib/dataset-folder.ts';
import { fetchCatalogFile } from './lib/fetch-catalog-file.ts';

/** Fetches, verifies and unpacks a data set once; from then on its done marker answers at once. */
export const createFetchDataset =
  ({ home, demoUrl }: ActivityDependencies) =>
  async ({ dataset }: RunPlan): Promise<FetchedDataset> => {
    const folders = homeFolders(home);
    const root = folders.dataset(dataset.id, dataset.contentKey);
    const present = await readDoneMarker(root, dataset.contentKey);
    if (present !== undefined) return { root, reused: true, contentKey: dataset.contentKey, ...sizes(present) };

    const { cancellationSignal: signal } = Context.current();
    let details: unknown = 'starting';
    const onProgress = (progress: unknown) => (details = progress);
    const marker = await whileBeating(
      () => details,
      async () => {
        const fetched = [];
        for (const archive of dataset.archives) {
          const { path } = await fetchCatalogFile(archive, folders.archives(dataset.id), {
            demoUrl,
            onProgress,
            signal,
          });
          fetched.push({ archive, path });
        }
        return extractDataset(fetched, root, dataset.contentKey, onProgress, signal);
      },
    );
    return { root, reused: false, contentKey: dataset.contentKey, ...sizes(marker) };
  };

const sizes = ({ files, bytes }: { files: number; bytes: number }) => ({ files, bytes });
