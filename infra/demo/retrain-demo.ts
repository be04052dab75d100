/** `everswin demo --retrain`: first champion, unchanged data, new images, a worse candidate, a better one, rollback. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { execa } from 'execa';
import type { Client } from '@temporalio/client';
import { z } from 'zod';
import { generateMiniCoco } from '../../activities/inputs/mini-coco.ts';
import { homeFolders } from '../../configs/paths.ts';
import { RetrainInput, type RetrainOutcome } from '../../configs/schema/index.ts';
import { toolPath, trainerEnv } from '../../workers/env.ts';
import { followRetraining } from '../client/follow-retrain.ts';
import type { WatchServer } from '../client/watch-server.ts';
import { triggerRetraining } from '../client/trigger-retraining.ts';

const projectRoot = `${import.meta.dirname}/../..`;

/** Training images that are added after the first training. */
const withheldImages = 12;
const [firstEpochs, worseEpochs, betterEpochs] = [3, 1, 6];

interface RetrainDemo {
  client: Client;
  home: string;
  /** Unique to this demo, so that it starts without a champion. */
  model: string;
  log: (line: string) => void;
  watchServer: WatchServer;
}

/** @throws Error when a step does not end as expected. */
export async function runRetrainDemo({ client, home, model, log, watchServer }: RetrainDemo): Promise<void> {
  const data = await createDemoData(home, model);
  const inputOf = (epochs: number): RetrainInput => retrainInput(model, data.folder, epochs);
  const trigger = async (input: RetrainInput, ...who: string[]) => {
    const why = 'the demo';
    const handles = await Promise.all(who.map((name) => triggerRetraining(client, input, { who: name, why })));
    const [handle] = handles;
    if (handle === undefined) throw new Error('Expected at least one trigger.');
    const { decisions, outcomes } = await followRetraining(handle, log, watchServer);
    return { decisions, outcome: outcomes.at(-1) };
  };

  await data.withhold();
  log(`--- First training, without ${withheldImages} of the images`);
  const first = expectOutcome((await trigger(inputOf(firstEpochs), 'the demo')).outcome, 'promoted');
  log('--- Trigger without a change');
  const skipped = await trigger(inputOf(firstEpochs), 'a schedule');
  if (skipped.outcome !== undefined) throw new Error('Expected no training without a change.');
  log(`--- ${withheldImages} new images, three triggers at once`);
  await data.restore();
  const arrived = await trigger(inputOf(firstEpochs), 'a schedule', 'a person', 'a hook');
  if (arrived.decisions.filter(({ trains }) => trains).length !== 1)
    throw new Error('Expected one training for three triggers.');
  log(`--- A deliberately worse candidate: ${worseEpochs} epoch`);
  expectOutcome((await trigger(inputOf(worseEpochs), 'the demo')).outcome, 'rejected');
  log(`--- A better candidate: ${betterEpochs} epochs`);
  expectOutcome((await trigger(inputOf(betterEpochs), 'the demo')).outcome, 'promoted');
  log(`--- Rollback to the previous champion: everswin models rollback ${model} --why "the demo"`);
  const rollback = [`${projectRoot}/infra/cli/main.ts`, 'models', 'rollback', model, '--why', 'the demo'];
  const { stdout } = await execa(process.execPath, rollback, { env: { EVERSWIN_HOME: home } });
  log(stdout);
  log(`The first version was ${first.version ?? ''}. Show the history: everswin models show ${model}`);
}

function expectOutcome(found: RetrainOutcome | undefined, expected: RetrainOutcome['outcome']): RetrainOutcome {
  if (found?.outcome !== expected)
    throw new Error(`Expected the candidate to be ${expected}: ${found?.why ?? 'nothing was trained'}`);
  return found;
}

const retrainInput = (model: string, folder: string, epochs: number): RetrainInput => {
  const archive = (file: string, path: string) => ({ file, urls: [pathToFileURL(`${folder}/${path}`).href] });
  const archives = [
    archive('train-images', 'train/'),
    archive('val-images', 'val/'),
    archive('train.json', 'annotations/train.json'),
    archive('val.json', 'annotations/val.json'),
  ];
  const split = (name: string) => ({ images: `${name}-images`, annotations: `${name}.json` });
  return RetrainInput.parse({
    version: 1,
    model,
    run: {
      recipe: 'cascade-mask-rcnn_swin-demo',
      dataset: 'parts-on-a-line',
      catalog: {
        datasets: {
          'parts-on-a-line': { title: 'Data of the demo', archives, train: split('train'), val: split('val') },
        },
      },
      weights: { backbone: 'swin-mini-imagenet1k' },
      epochs,
      gpus: 1,
      batchPerGpu: 2,
      loaderWorkers: 0,
      logEverySteps: 1,
    },
    // With 24 images, the AP of one class or size varies too much for the default limits.
    gate: { sizesMayFall: 20, worstClasses: { mayFall: 50 } },
  });
};

const Annotations = z.looseObject({
  images: z.array(z.looseObject({ id: z.int(), file_name: z.string() })),
  annotations: z.array(z.looseObject({ image_id: z.int() })),
});

async function createDemoData(home: string, model: string) {
  const folder = `${homeFolders(home).demoFiles}-${model}`;
  await rm(folder, { recursive: true, force: true });
  await generateMiniCoco({ executable: toolPath(home, 'python'), env: trainerEnv() }, '--own', folder);
  const path = `${folder}/annotations/train.json`;
  const complete = await readFile(path, 'utf8');
  const { images, annotations, ...rest } = Annotations.parse(JSON.parse(complete));
  const withheld = images.slice(-withheldImages);
  const withheldIds = new Set(withheld.map(({ id }) => id));
  const withheldFolder = `${folder}/withheld`;
  return {
    folder,
    async withhold() {
      await mkdir(withheldFolder);
      for (const { file_name: file } of withheld)
        await rename(`${folder}/train/${file}`, `${withheldFolder}/${basename(file)}`);
      const remaining = {
        ...rest,
        images: images.filter(({ id }) => !withheldIds.has(id)),
        annotations: annotations.filter(({ image_id: id }) => !withheldIds.has(id)),
      };
      await writeFile(path, JSON.stringify(remaining));
    },
    async restore() {
      for (const { file_name: file } of withheld)
        await rename(`${withheldFolder}/${basename(file)}`, `${folder}/train/${file}`);
      await writeFile(path, complete);
    },
  };
}
