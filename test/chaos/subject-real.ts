/** Real MMDetection at minimal size: the demo's recipe on a dozen images, two epochs, half a minute. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { execa } from 'execa';
import { Catalog, RunInput } from '../../configs/schema/index.ts';
import { ensureMiniCoco } from '../../activities/inputs/mini-coco.ts';
import { trainerEnv } from '../../workers/env.ts';
import { projectRoot, python } from '../helpers/project.ts';
import { hashFile } from './job-record.ts';
import type { Subject } from './subject.ts';

const epochs = 2;
const trainImages = 12;
const validationImages = 4;
const keepLast = 2;
const annotations = 'annotations_trainval2017.zip';
const scripts = `${import.meta.dirname}/python`;
const catalogOf = (home: string) => `${home}/catalog.json`;

export const real: Subject = {
  name: 'real',
  epochs,
  keepLast,
  expectedSeconds: 40,
  deadlineSeconds: 1200,
  smallDiskMib: 1024,
  ranks: [1, 2, 4],
  stepsPerEpoch: (ranks) => trainImages / ranks,
  input: (name, ranks) =>
    RunInput.parse({
      version: 1,
      name,
      recipe: 'cascade-mask-rcnn_swin-demo',
      dataset: 'mini-coco',
      weights: { backbone: 'swin-mini-imagenet1k' },
      epochs,
      gpus: ranks,
      batchPerGpu: 1,
      loaderWorkers: ranks - 1,
      logEverySteps: 1,
      // One second: a few checkpoints per epoch.
      checkpoint: { everyMinutes: 0.017, keepLast },
    }),
  prepare: async (home) => {
    const demoFiles = await ensureMiniCoco({ home, python: { executable: python, env: trainerEnv() } });
    await execa(python, [
      `${scripts}/shrink_coco.py`,
      `${demoFiles}/${annotations}`,
      `${trainImages}`,
      `${validationImages}`,
    ]);
    writeFileSync(catalogOf(home), JSON.stringify(catalogWith(`${demoFiles}/${annotations}`)));
  },
  dependencies: (production) => ({
    ...production,
    catalog: Catalog.parse(JSON.parse(readFileSync(catalogOf(production.home), 'utf8'))),
  }),
  stubs: {},
  gpuStubs: {},
  hashState: async (path) => (await execa(python, [`${scripts}/hash_state.py`, path])).stdout,
};

/** The same with a standby trainer, which becomes the supervisor after each crash. */
export const realStandby: Subject = {
  ...real,
  name: 'real-standby',
  input: (name, ranks) => {
    const input = real.input(name, ranks);
    return { ...input, recovery: { ...input.recovery, standby: true } };
  },
};

/** Returns the catalog with our annotations in place of the demo's. */
function catalogWith(path: string): Catalog {
  const catalog = Catalog.parse(JSON.parse(readFileSync(`${projectRoot}/configs/catalog.json`, 'utf8')));
  for (const archive of catalog.datasets['mini-coco']?.archives ?? []) {
    if (archive.file === annotations) Object.assign(archive, { bytes: statSync(path).size, sha256: hashFile(path) });
  }
  return catalog;
}
