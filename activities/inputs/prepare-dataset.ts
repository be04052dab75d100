import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { homeFolders } from '../../configs/paths.ts';
import {
  FetchedDataset,
  FileMark,
  PreparedDataset,
  type DatasetSpec,
  type RunPlan,
} from '../../configs/schema/index.ts';
import { codeFields } from '../shared/steps/code-fields.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { isSameMark, readFileMark } from '../shared/files/file-mark.ts';
import type { StoredObject } from '../shared/store/objects.ts';
import { datasetKey } from '../plan/plan-hash.ts';
import { cachedStep } from '../shared/steps/step-cache.ts';
import { withTemporaryFolder } from '../shared/files/scratch-folder.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import { datasetInvalid } from './dataset-invalid.ts';
import type { PreparationContext } from './preparation-context.ts';
import { prepareFile } from './prepare-file.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';

const Prepared = z.object({
  fetched: FetchedDataset.omit({ outcome: true }),
  /** Annotations, samples, indexes and dataset.json by name, with the file mark at creation. */
  files: z.record(z.string(), FileMark),
  /** Number of files under images/; 0 unless extraction was requested. */
  extracted: z.int(),
});

/** Downloads the archives of a data set, then verifies and indexes them, once for all runs. */
export async function prepareDataset(plan: RunPlan, context: PreparationContext): Promise<FetchedDataset> {
  const { dataset, versions } = plan;
  const archives = await Promise.all(dataset.archives.map((archive) => prepareFile(archive, context)));
  const stored = archives.map(({ file, sha256, bytes }) => ({ file, sha256, bytes }));
  const known = dataset.archives.map((archive, index) => ({ ...archive, ...stored[index] }));
  const key = datasetKey({ ...dataset, archives: known });
  const { train, val, classes, extractImages, skipBadImages, masks } = dataset;
  const fields = {
    ...Object.fromEntries(stored.map(({ file, sha256 }) => [file, sha256])),
    splits: JSON.stringify({ train, val, classes }),
    'images as files': String(extractImages),
    'images left out': JSON.stringify(skipBadImages ?? 0),
    ...(masks === undefined ? {} : { masks }),
    ...codeFields(versions, ['dataset']),
  };
  // A rebuild gets a new folder, because a trainer may still be reading the old one.
  const rebuild = context.fresh ? { 'rebuilt at': new Date().toISOString() } : {};
  const root = homeFolders(context.home).dataset(contentKey({ ...fields, ...rebuild }));
  const { output, outcome } = await cachedStep({
    home: context.home,
    step: 'dataset',
    subject: dataset.id,
    fields,
    fresh: context.fresh,
    output: Prepared,
    findDamage,
    work: async () => {
      const prepared = await prepare({ root, key, dataset, archives }, context);
      const fetched = { root, contentKey: key, archives: stored, ...prepared };
      return { fetched, files: await markFiles(root), extracted: await countExtracted(root) };
    },
  });
  return { ...output.fetched, outcome };
}

interface Preparation {
  root: string;
  key: string;
  dataset: RunPlan['dataset'];
  archives: StoredObject[];
}

async function prepare(
  { root, key, dataset, archives }: Preparation,
  { home, python, onProgress, signal }: PreparationContext,
) {
  await mkdir(homeFolders(home).datasets, { recursive: true });
  return withTemporaryFolder(async (folder) => {
    const spec = `${folder}/spec.json`;
    const files = archives.map(({ path, sha256, bytes }, index) => {
      const archive = dataset.archives[index];
      return [archive?.file ?? '', { path, sha256, bytes, files: archive?.files ?? null }] as const;
    });
    const { train, val, classes, extractImages: extract, skipBadImages, masks } = dataset;
    const content: DatasetSpec = {
      v: 1,
      contentKey: key,
      archives: Object.fromEntries(files),
      splits: { train, val },
      classes,
      extract,
      skipBadImages,
      masks,
    };
    await writeFile(spec, JSON.stringify(content));
    onProgress({ what: `checking ${dataset.id}` });
    const answer = await runTrainerCommand({
      python,
      signal,
      output: PreparedDataset,
      argv: ['prepare-dataset', '--spec', spec, '--into', root],
      onStage: ({ stage, done, total }) =>
        onProgress({ what: `${stage} ${dataset.id}`, bytes: done, totalBytes: total }),
    });
    if (!answer.ok) throw datasetInvalid(`Data set ${dataset.id} is invalid`, answer.problems);
    const { images, instances, usableImages, usableObjects, warnings } = answer;
    const useOf = (split: 'train' | 'val') => ({
      images: images[split],
      objects: instances[split],
      usableImages: usableImages[split],
      usableObjects: usableObjects[split],
    });
    return {
      images: images.train + images.val,
      instances: instances.train + instances.val,
      classes: answer.classes,
      use: { train: useOf('train'), val: useOf('val') },
      warnings,
    };
  });
}

async function findDamage({
  fetched: { root },
  files,
  extracted,
}: z.infer<typeof Prepared>): Promise<string | undefined> {
  // An earlier version wrote none. The trainer adds them without another check.
  if (!('train.samples' in files)) return `${root} has no samples`;
  for (const [name, mark] of Object.entries(files)) {
    if (!isSameMark(mark, await readFileMark(`${root}/${name}`))) return `${root}/${name} was changed or removed`;
  }
  return (await countExtracted(root)) === extracted ? undefined : `the number of files in ${root}/images changed`;
}

async function markFiles(root: string): Promise<Record<string, FileMark>> {
  const marks: Record<string, FileMark> = {};
  for (const entry of await readdir(root, { withFileTypes: true })) {
    const mark = entry.isFile() ? await readFileMark(`${root}/${entry.name}`) : undefined;
    if (mark !== undefined) marks[entry.name] = mark;
  }
  return marks;
}

async function countExtracted(root: string): Promise<number> {
  const names = await ignoreMissing(readdir(`${root}/images`, { recursive: true }));
  return names?.length ?? 0;
}
