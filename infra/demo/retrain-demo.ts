/** The loop of `npm run demo -- --retrain`, on data that change: first champion, no change, new images, worse, better, back. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { execa } from 'execa';
import type { Client } from '@temporalio/client';
import { z } from 'zod';
import { homeFolders } from '../../configs/paths.ts';
import { RetrainInput, type RetrainOutcome } from '../../configs/schema/index.ts';
import { generateMiniCoco } from '../stack/mini-coco.ts';
import { followRetraining } from '../client/follow-retrain.ts';
import { triggerRetraining } from '../client/trigger-retraining.ts';

const projectRoot = `${import.meta.dirname}/../..`;

/** Images that arrive between two trainings. */
const withheldImages = 12;
const [firstEpochs, worseEpochs, betterEpochs] = [3, 1, 6];

export interface RetrainDemo {
  client: Client;
  home: string;
  /** Of this demo: another one begins with nothing. */
  model: string;
  say: (line: string) => void;
}

/** @throws Error where one of the steps did not end as it has to. */
export async function runRetrainDemo({ client, home, model, say }: RetrainDemo): Promise<void> {
  const data = await createDemoData(home, model);
  const inputOf = (epochs: number): RetrainInput => retrainInput(model, data.folder, epochs);
  const ask = async (input: RetrainInput, ...who: string[]) => {
    const why = 'the demo';
    const handles = await Promise.all(who.map((one) => triggerRetraining(client, input, { who: one, why })));
    const [handle] = handles;
    if (handle === undefined) throw new Error('nobody asked');
    const { decisions, outcomes } = await followRetraining(handle, say);
    return { decisions, outcome: outcomes.at(-1) };
  };

  await data.withhold();
  say(`— a first training, without ${withheldImages} of its images`);
  const first = expectOutcome((await ask(inputOf(firstEpochs), 'the demo')).outcome, 'promoted');
  say('— a trigger without a change');
  const skipped = await ask(inputOf(firstEpochs), 'a schedule');
  if (skipped.outcome !== undefined) throw new Error('nothing had changed, and it was trained');
  say(`— ${withheldImages} new images, and three triggers in the same second`);
  await data.giveBack();
  const arrived = await ask(inputOf(firstEpochs), 'a schedule', 'a person', 'a hook');
  if (arrived.decisions.filter(({ trains }) => trains).length !== 1)
    throw new Error('expected one training of three triggers');
  say(`— a candidate that is worse on purpose: ${worseEpochs} epoch`);
  expectOutcome((await ask(inputOf(worseEpochs), 'the demo')).outcome, 'rejected');
  say(`— a better one: ${betterEpochs} epochs`);
  expectOutcome((await ask(inputOf(betterEpochs), 'the demo')).outcome, 'promoted');
  say(`— back to the champion before: npm run models -- rollback ${model} --why "the demo"`);
  const rollback = ['--import', 'tsx', `${projectRoot}/infra/cli/models.ts`, 'rollback', model, '--why', 'the demo'];
  const { stdout } = await execa(process.execPath, rollback, { env: { EVERSWIN_HOME: home } });
  say(stdout);
  say(`the first version was ${first.version ?? ''}; npm run models -- show ${model} tells the whole story`);
}

function expectOutcome(found: RetrainOutcome | undefined, wanted: RetrainOutcome['outcome']): RetrainOutcome {
  if (found?.outcome !== wanted)
    throw new Error(`expected a candidate to be ${wanted}: ${found?.why ?? 'nothing was trained'}`);
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
          'parts-on-a-line': { title: 'The demo’s own', archives, train: split('train'), val: split('val') },
        },
      },
      weights: { backbone: 'swin-mini-imagenet1k' },
      epochs,
      gpus: 1,
      batchPerGpu: 2,
      loaderWorkers: 0,
      logEverySteps: 1,
    },
    // Of 24 images single classes and sizes say little.
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
  await generateMiniCoco(home, '--own', folder);
  const path = `${folder}/annotations/train.json`;
  const whole = await readFile(path, 'utf8');
  const { images, annotations, ...rest } = Annotations.parse(JSON.parse(whole));
  const later = images.slice(-withheldImages);
  const laterIds = new Set(later.map(({ id }) => id));
  const aside = `${folder}/later`;
  return {
    folder,
    async withhold() {
      await mkdir(aside);
      for (const { file_name: file } of later) await rename(`${folder}/train/${file}`, `${aside}/${basename(file)}`);
      const fewer = {
        ...rest,
        images: images.filter(({ id }) => !laterIds.has(id)),
        annotations: annotations.filter(({ image_id: id }) => !laterIds.has(id)),
      };
      await writeFile(path, JSON.stringify(fewer));
    },
    async giveBack() {
      for (const { file_name: file } of later) await rename(`${aside}/${basename(file)}`, `${folder}/train/${file}`);
      await writeFile(path, whole);
    },
  };
}
