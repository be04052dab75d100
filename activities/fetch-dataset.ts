import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Context } from '@temporalio/activity';
import { homeFolders } from '../configs/paths.ts';
import { PreparedDataset } from '../configs/prepared-dataset.ts';
import type { CatalogArchive, FetchedDataset, RunPlan } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';
import { CodedError } from './lib/coded-error.ts';
import { fetchCatalogFile } from './lib/fetch-catalog-file.ts';
import { askTrainer } from './lib/trainer-command.ts';
import { writeFileWhole } from './lib/whole-file.ts';

/**
 * Fetches a data set and has the trainer check it and write where its images lie; a folder that is whole is left as it is.
 * @throws CodedError DatasetInvalid with every problem.
 */
export const createFetchDataset =
  ({ home, python, demoUrl }: ActivityDependencies) =>
  async ({ dataset }: RunPlan): Promise<FetchedDataset> => {
    const folders = homeFolders(home);
    const root = folders.dataset(dataset.id, dataset.contentKey);
    const { cancellationSignal: signal } = Context.current();
    let details: unknown = 'starting';
    const onProgress = (progress: unknown) => (details = progress);
    return whileBeating(
      () => details,
      async () => {
        const paths = new Map<CatalogArchive, string>();
        for (const archive of dataset.archives) {
          const options = { demoUrl, onProgress, signal };
          paths.set(archive, (await fetchCatalogFile(archive, folders.archives(dataset.id), options)).path);
        }
        details = 'checking the data set';
        const spec = `${root}.spec.json`;
        await mkdir(dirname(spec), { recursive: true });
        await writeFileWhole(spec, JSON.stringify(describe(paths, dataset.contentKey)));
        const argv = ['prepare-dataset', '--spec', spec, '--into', root];
        const answer = await askTrainer(python, argv, PreparedDataset, signal);
        if (!answer.ok) throw new CodedError('DatasetInvalid', answer.problems.join('\n'));
        const { reused, files, bytes } = answer;
        return { root, reused, contentKey: dataset.contentKey, files, bytes };
      },
    );
  };

/** COCO's own names: the only layout that the catalog knows so far. */
const describe = (paths: ReadonlyMap<CatalogArchive, string>, contentKey: string) => ({
  ...{ v: 1, contentKey, classes: null, extract: false },
  archives: Object.fromEntries(
    [...paths].map(([{ file, sha256, bytes, files }, path]) => [file, { path, sha256, bytes, files }]),
  ),
  splits: { train: describeSplit('train2017'), val: describeSplit('val2017') },
});

const describeSplit = (name: string) => ({
  images: `${name}.zip/${name}`,
  annotations: `annotations_trainval2017.zip/annotations/instances_${name}.json`,
  counts: null,
});
