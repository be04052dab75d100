/** The upload of a finished run from a machine that did not train it, with a store in a folder. */
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createMirrorRun } from '../../../activities/mirror/mirror-run.ts';
import { readRunPointer } from '../../../activities/mirror/run-pointer-writer.ts';
import { startMirror } from '../../../activities/mirror/run-mirror.ts';
import { openStore } from '../../../activities/shared/store/open-store.ts';
import { mirrorKeys } from '../../../configs/schema/run-pointer.ts';
import type { RunPlan } from '../../../configs/schema/index.ts';
import { createCheckpointFolder, type CheckpointFolder } from '../../helpers/checkpoint-folder.ts';
import { miniPlan } from '../../helpers/mini-run.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';

let here: CheckpointFolder;
let elsewhere: CheckpointFolder;
beforeEach(async () => ([here, elsewhere] = [await createCheckpointFolder(), await createCheckpointFolder()]));
afterEach(async () => {
  await here.remove();
  await elsewhere.remove();
});

const homeOf = ({ folder }: CheckpointFolder): string => folder.root.replace(`/runs/${miniPlan.runId}`, '');

test('mirrorRun takes over a run that another machine trained, and refuses one whose last checkpoint is missing', async () => {
  const { runId } = miniPlan;
  const s3 = { endpoint: undefined, region: undefined };
  const address = pathToFileURL(`${homeOf(elsewhere)}/mirrored`).href;
  const open = (store: string) => openStore(store, { home: homeOf(here), s3 });
  const store = open(address);
  const file = await elsewhere.save({ epoch: 1 });
  const trainer = startMirror({ store, folder: elsewhere.folder, runId, fence: 5, pollMs: 50 });
  await trainer.flush(AbortSignal.timeout(10_000));
  await trainer.stop();
  const found = await readRunPointer(store, runId);
  const pointer = JSON.stringify({ ...found?.pointer, host: 'the-machine-that-trained' });
  await store.replace(mirrorKeys(runId).pointer, pointer, { ifMatch: found?.etag ?? null });

  const plan: RunPlan = { ...miniPlan, input: { ...miniPlan.input, artifacts: { store: address } } };
  const mirrorRun = createMirrorRun({ home: homeOf(here), openStore: open, s3Server: s3, drains: false });
  const mirror = (trained: number) => mockEnvironment().run(mirrorRun, plan, trained);
  await expect(mirror(20)).rejects.toMatchObject({ code: 'CheckpointsLost' });
  await mirror(10);
  expect((await readRunPointer(store, runId))?.pointer).toMatchObject({ fence: 6, checkpoints: [{ file }] });
});
