import { cp, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, relative, resolve } from 'node:path';
import { iterationsPerEpoch } from '../../activities/preflight/training-arithmetic.ts';
import { writeFileAtomic } from '../../activities/shared/files/atomic-file.ts';
import { formatPlural } from '../../activities/shared/summary/format-time.ts';
import { runTrainerCommand } from '../../activities/shared/trainer/trainer-command.ts';
import { ImportedDataset, RunName, type RunPlan, type StageProgress } from '../../configs/schema/index.ts';
import { createDependencies } from '../../workers/dependencies.ts';
import { chooseDevice } from '../stack/device.ts';
import { formatImport } from '../terminal/format-import.ts';
import { fail, UsageError } from '../terminal/program.ts';
import { runInterruptible } from '../terminal/wait-for-interrupt.ts';

interface ImportOptions {
  name?: string | undefined;
  val?: string | undefined;
  groupBy: string;
  seed: number;
  annotations?: string | undefined;
  images?: string | undefined;
  masks?: 'from-boxes' | undefined;
  crowd?: 'as-objects' | undefined;
  skipBadImages?: number | undefined;
  out?: string | undefined;
  copy?: boolean | undefined;
  force?: boolean | undefined;
  device?: 'cpu' | 'cuda' | undefined;
}

type Imported = Extract<ImportedDataset, { ok: true }>;

/** Recognizes an exported data set, shows what it holds, and writes a run file for it. */
export async function importDataset(path: string, options: ImportOptions): Promise<void> {
  if (/^[a-z0-9]+:\/\//i.test(path))
    throw new UsageError(
      `Expected a folder, a zip file or a JSON file on this machine, got ${path}. Download it first.`,
    );
  const source = resolve(path);
  const name = options.name ?? toRunName(basename(source));
  const parsed = RunName.safeParse(name);
  if (!parsed.success) throw new UsageError(`--name ${name}: ${parsed.error.issues[0]?.message ?? 'invalid'}`);
  requireShare(options.val);
  const out = resolve(options.out ?? (resolve(`${name}.json`) === source ? `${name}-run.json` : `${name}.json`));
  if (out === source) throw new UsageError(`${out} is the file to import. Choose another --out for the run file.`);
  const into = `${out.replace(/\.json$/, '')}-data`;
  await requireFree([out, into], options.force ?? false);

  const python = createDependencies('cpu').python;
  const argv = toArguments(source, into, options);
  const onStage = showProgress;
  const imported = await runInterruptible(async (signal) => {
    const answer = await runTrainerCommand({ python, output: ImportedDataset, signal, argv, onStage });
    if (process.stdout.isTTY) process.stdout.write('\r'.padEnd(40) + '\r');
    if (!answer.ok) return answer;
    try {
      const splits = options.copy ? await copyData(answer, into, signal) : answer.splits;
      return { ...answer, run: await writeRunFile(answer, { name, source, splits, options, out }, signal) };
    } catch (error) {
      // Without a run file, the folder would only be in the way of the next import.
      await rm(into, { recursive: true, force: true });
      throw error;
    }
  });
  if (!imported.ok) {
    fail(`Cannot import ${path}:\n${imported.problems.map((one) => `- ${one}`).join('\n')}\nNothing was written.`);
    return;
  }
  const shown = (file: string) => relative(process.cwd(), file) || '.';
  const { run } = imported;
  console.log(formatImport({ answer: imported, source: path, runFile: shown(out), folder: shown(into), run, shown }));
}

/** Writes the run file of an import, and adds warnings about it to the answer. */
async function writeRunFile(answer: Imported, input: RunFileInput, signal: AbortSignal) {
  const { out, splits } = input;
  // A run packs the whole folder, so a later change of the run file would count as a change of the data.
  if (Object.values(splits).some(({ images }) => images.endsWith('/') && out.startsWith(images)))
    answer.warnings.push(
      `${out} lies in the folder of the images, so that changing it changes the data. Move it, or use --out`,
    );
  const run = makeRunFile(input);
  const { steps, needed } = countSteps(answer.splits.train.imageCount, run);
  if (steps < USEFUL_STEPS)
    answer.warnings.push(
      `${formatPlural(run.epochs, 'epoch')} of these data are ${formatPlural(steps, 'step')}, too few to learn much: annotate more images, or set "epochs": ${needed} in the run file`,
    );
  signal.throwIfAborted();
  await writeFileAtomic(out, `${JSON.stringify(run, null, 2)}\n`);
  return run;
}

function toArguments(source: string, into: string, options: ImportOptions): string[] {
  const { val, groupBy, seed, annotations, images, masks, crowd, skipBadImages } = options;
  const given = { annotations, images: images && resolve(images), val, masks, crowd, 'skip-bad-images': skipBadImages };
  return [
    ...['import-dataset', '--source', source, '--into', into, '--group-by', groupBy, '--seed', `${seed}`],
    ...Object.entries(given).flatMap(([key, value]) => (value === undefined ? [] : [`--${key}`, `${value}`])),
  ];
}

/** Turns a file name into the name of a run: `My Parts (2).zip` becomes `my-parts-2`. */
export function toRunName(file: string): string {
  const name = file
    .replace(/\.(zip|json)$/i, '')
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replaceAll(/\.{2,}|-{2,}/g, '-')
    .replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
    .slice(0, 50);
  return name === '' ? 'dataset' : name;
}

/** @throws UsageError for a number that is no share of the images. Other texts are paths. */
function requireShare(val: string | undefined): void {
  const [, number, percent] = /^([-+]?[\d.]+(?:e[-+]?\d+)?)(%?)$/i.exec(val?.trim() ?? '') ?? [];
  const share = Number(number) / (percent === '%' ? 100 : 1);
  if (share > 0 && share < 1) return;
  if (val === '' || Number.isFinite(share))
    throw new UsageError(`--val ${val}: expected a share between 0 and 1, such as 0.2, or a path.`);
}

/** @throws UsageError when a file exists and `force` is not set. */
async function requireFree(paths: readonly string[], force: boolean): Promise<void> {
  const existing = [];
  for (const path of paths)
    if (
      await stat(path).then(
        () => true,
        () => false,
      )
    )
      existing.push(path);
  if (existing.length > 0 && !force)
    throw new UsageError(
      `${existing.join(' and ')} already ${existing.length === 1 ? 'exists' : 'exist'}. Choose another --name or --out, or replace with --force.`,
    );
}

const showProgress = ({ stage, done, total }: StageProgress): void => {
  if (process.stdout.isTTY) process.stdout.write(`\r${stage}: ${Math.floor((100 * done) / Math.max(1, total))} %`);
};

/** Copies images and annotations next to the run file. */
async function copyData({ splits }: Imported, into: string, signal: AbortSignal): Promise<Imported['splits']> {
  const copied = new Map<string, string>();
  const copy = async (location: string): Promise<string> => {
    if (location.startsWith(`${into}/`)) return location;
    const [, zip = location.replace(/\/$/, ''), inside = ''] = /^(.*?\.zip)(\/.*)?$/i.exec(location) ?? [];
    let target = copied.get(zip);
    if (target === undefined) {
      const taken = new Set(await readdir(into));
      const file = basename(zip);
      target = `${into}/${taken.has(file) ? `${basename(dirname(zip))}-${file}` : file}`;
      const filter = () => !signal.aborted;
      await cp(zip, target, { recursive: true, errorOnExist: true, force: false, filter });
      copied.set(zip, target);
    }
    return `${target}${inside}${location.endsWith('/') ? '/' : ''}`;
  };
  const copySplit = async (split: Imported['splits']['train']) => {
    const images = await copy(split.images);
    return { ...split, images, annotations: await copy(split.annotations) };
  };
  return { train: await copySplit(splits.train), val: await copySplit(splits.val) };
}

interface RunFileInput {
  name: string;
  source: string;
  splits: Imported['splits'];
  options: ImportOptions;
  out: string;
}

/** Makes the content of the run file. Paths below its folder are relative, so that the folder can move. */
function makeRunFile({ name, source, splits, options, out }: RunFileInput) {
  const folder = dirname(out);
  const locate = (path: string) => {
    const inside = relative(folder, path) || '.';
    return inside.startsWith('..') ? path : inside + (path.endsWith('/') ? '/' : '');
  };
  const split = ({ images, annotations }: Imported['splits']['train']) => ({
    images: locate(images),
    annotations: locate(annotations),
  });
  const settings = defaultSettings[options.device ?? chooseDevice()];
  const { training } = settings;
  const { needed } = countSteps(splits.train.imageCount, training);
  return {
    version: 1,
    name,
    note: `Imported from ${source}. ${settings.note}`,
    recipe: settings.recipe,
    data: { train: split(splits.train), val: split(splits.val) },
    ...(options.masks === undefined ? {} : { masks: options.masks }),
    ...(options.skipBadImages === undefined ? {} : { skipBadImages: options.skipBadImages }),
    ...training,
    epochs: Math.max(training.epochs, Math.min(needed, MAX_EPOCHS)),
  };
}

/** With fewer steps, a model has hardly learned, and its predictions are noise. */
const USEFUL_STEPS = 500;
/** Each epoch ends with a validation and a checkpoint, so more epochs are left to the user. */
const MAX_EPOCHS = 100;

/** Returns the steps of a run, and the epochs that it needs for a useful number of steps. */
function countSteps(images: number, run: Pick<RunPlan, 'epochs' | 'gpus' | 'batchPerGpu'>) {
  const perEpoch = iterationsPerEpoch(images, run);
  return { steps: perEpoch * run.epochs, needed: Math.ceil(USEFUL_STEPS / perEpoch) };
}

/** Settings for a first training. The paper's recipe accumulates 16 images 2 at a time, so one GPU uses its schedule. */
const defaultSettings = {
  cuda: {
    note: 'Continues from the released Swin-T detector, with the schedule of its paper on one GPU.',
    recipe: 'cascade-mask-rcnn_swin-t_paper',
    training: {
      weights: { detector: 'cascade-mask-rcnn-swin-t-released' },
      epochs: 36,
      gpus: 1,
      batchPerGpu: 16,
    },
  },
  cpu: {
    note: 'This machine has no GPU, so the small model of the demo tries the pipeline; import again on a machine with a GPU for a useful detector.',
    recipe: 'cascade-mask-rcnn_swin-demo',
    training: {
      weights: { backbone: 'swin-mini-imagenet1k' },
      epochs: 10,
      gpus: 1,
      batchPerGpu: 2,
      loaderWorkers: 0,
      logEverySteps: 1,
    },
  },
} as const;
