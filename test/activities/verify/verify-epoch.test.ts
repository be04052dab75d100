import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { acquireFence } from '../../../activities/shared/run/fence.ts';
import { archivePlan, writePlan } from '../../../activities/shared/run/plan-file.ts';
import { ProgressReader } from '../../../activities/shared/run/progress-reader.ts';
import { writeControl } from '../../../activities/shared/trainer/control-file.ts';
import { startJob } from '../../../activities/shared/trainer/start-job.ts';
import { findLiveJob, type RunningJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { watchJob } from '../../../activities/shared/trainer/watch-job.ts';
import { verifyEpoch, type VerificationRequest } from '../../../activities/verify/verify-epoch.ts';
import { homeFolders, jobFolder, runFolder } from '../../../configs/paths.ts';
import { CheckpointManifest, type RunPlan, type TrainerControl } from '../../../configs/schema/index.ts';
import { mirrorKeys } from '../../../configs/schema/run-pointer.ts';
import { findMarked } from '../../chaos/processes.ts';
import { createMiniRun, miniControl, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { fakeTrainerPath } from '../../helpers/project.ts';
import { until } from '../../helpers/until.ts';

/** 3 epochs of 10 steps, trained at once and trained in parts. */
let mini: MiniRun;
beforeAll(async () => {
  mini = await createMiniRun();
  await train(runFolder(mini.dependencies.home, 'smooth'), {});
  const resumed = runFolder(mini.dependencies.home, 'resumed');
  const plan = { ...miniPlan, checkpoint: { everyMinutes: 10, keepLast: 4 } };
  await train(resumed, { plan, until: 15 });
  await train(resumed, { plan, resume: 'e001-i000015', control: { ...miniControl, learningRateFactor: 0.5 } });
});
afterAll(() => mini.remove());

interface Attempt {
  until?: number;
  resume?: string;
  control?: TrainerControl;
  plan?: RunPlan;
}

async function start(
  folder: ReturnType<typeof runFolder>,
  { until, resume, control = miniControl, plan = miniPlan }: Attempt,
): Promise<RunningJob & { fence: number }> {
  const { python, programs, gpus } = mini.dependencies;
  const job = folder.train;
  await mkdir(job.dir, { recursive: true });
  await archivePlan(folder, plan);
  await writePlan(folder, plan);
  await writeControl(job, control);
  const files = { plan: folder.plan, recipe: '', data: '', weights: '' };
  const from = resume === undefined ? undefined : { path: `${job.checkpoints}/${resume}.pth`, planHash: undefined };
  const program = programs.train(
    plan,
    { ...files, resume: from, ...(until === undefined ? {} : { until }) },
    job,
    'cpu',
  );
  const fence = await acquireFence(job, { workflowRun: 'test', attempt: 1 });
  const request = { ...gpus, device: 'cpu', count: 1, priority: 3, since: 0 } as const;
  const launch = { job, python, program, fence, stall: plan.recovery.stallSeconds, gpus: request };
  const running = await startJob(launch, { signal: new AbortController().signal, onWait: () => undefined });
  return { ...running, fence };
}

async function train(folder: ReturnType<typeof runFolder>, attempt: Attempt): Promise<void> {
  const { fence, ...running } = await start(folder, attempt);
  const progress = new ProgressReader(folder.train.progress);
  const watch = { job: folder.train, running, fence, progress, onEvents: () => undefined };
  await watchJob(watch, new AbortController().signal);
}

/** Copies a run, so that a test may change its files. */
async function copyRun(from: 'smooth' | 'resumed', to: string) {
  const folder = runFolder(mini.dependencies.home, to);
  await cp(runFolder(mini.dependencies.home, from).root, folder.root, { recursive: true });
  return folder;
}

const editStore = (folder: ReturnType<typeof runFolder>): Promise<void> =>
  writePlan(folder, { ...miniPlan, input: { ...miniPlan.input, artifacts: { store: 's3://bucket/runs' } } });

const editProgress = async (folder: ReturnType<typeof runFolder>, edit: (text: string) => string): Promise<void> =>
  writeFile(folder.train.progress, edit(await readFile(folder.train.progress, 'utf8')));

const verify = (
  runId: string,
  epoch: number,
  request: Partial<VerificationRequest> = {},
  dependencies = mini.dependencies,
) =>
  verifyEpoch(dependencies, {
    runId,
    epoch,
    steps: undefined,
    tolerance: undefined,
    fromEarlier: false,
    signal: new AbortController().signal,
    onWait: () => undefined,
    onStart: () => undefined,
    onStep: () => undefined,
    ...request,
  });

const allEqual = { samples: 'equal', random: 'equal', weights: 'equal', optimizer: 'equal' };

async function listFiles(root: string): Promise<string[]> {
  const names = await readdir(root, { recursive: true });
  return Promise.all(names.sort().map(async (name) => `${name} ${(await stat(`${root}/${name}`)).mtimeMs}`));
}

test('a repeated epoch equals the original and leaves the run untouched', async () => {
  const { root } = runFolder(mini.dependencies.home, 'smooth');
  const before = await listFiles(root);
  const verification = await verify('smooth', 2);
  expect(verification).toMatchObject({
    equal: true,
    steps: { first: 11, last: 20 },
    checkpoint: 'e001-i000010.pth',
    losses: { steps: 10, largest: 0, difference: null },
    hashes: [{ epoch: 2, ...allEqual }],
    notes: [],
    folder: null,
  });
  expect(await listFiles(root)).toEqual(before);
  expect(await readdir(homeFolders(mini.dependencies.home).verifications)).toEqual([]);
});

test('the first epoch is repeated from the starting weights', async () => {
  expect(await verify('smooth', 1)).toMatchObject({ equal: true, checkpoint: null, hashes: [{ epoch: 1 }] });
});

test('an epoch whose settings changed in the middle is repeated with the same change', async () => {
  const verification = await verify('resumed', 2);
  expect(verification).toMatchObject({ equal: true, losses: { steps: 10 }, hashes: [{ epoch: 2, ...allEqual }] });
  expect(verification.notes).toEqual(['The settings changed 1 time within these steps, as in the run.']);
  expect(await verify('resumed', 3)).toMatchObject({ equal: true, notes: [] });
});

test('epochs after a rollback and beyond the plan are those of the preserved lineage', async () => {
  const folder = await copyRun('smooth', 'rolled-back');
  // A rollback moves them to the quarantine.
  for (const name of ['e002-i000020', 'e003-i000030']) await rm(`${folder.train.checkpoints}/${name}.json`);
  const control = { ...miniControl, learningRateFactor: 0.5, epochs: 4 };
  await train(folder, {
    resume: 'e001-i000010',
    control,
    plan: { ...miniPlan, checkpoint: { everyMinutes: 10, keepLast: 9 } },
  });
  for (const epoch of [2, 3, 4])
    expect(await verify('rolled-back', epoch)).toMatchObject({
      equal: true,
      checkpoint: `e00${epoch - 1}-i0000${epoch - 1}0.pth`,
      hashes: [{ epoch, ...allEqual }],
      notes: [],
    });
});

test('single steps are repeated from the newest checkpoint before them', async () => {
  const verification = await verify('resumed', 2, { steps: { first: 17, last: 18 } });
  expect(verification).toMatchObject({
    equal: true,
    steps: { first: 16, last: 18 },
    checkpoint: 'e001-i000015.pth',
    losses: { steps: 3 },
    hashes: [],
    notes: [],
  });
});

test('the first step whose loss differs is named, and the repetition is kept', async () => {
  const folder = await copyRun('smooth', 'edited');
  await editProgress(folder, (text) => text.replace(/("iteration":14,"loss":)/, '$19'));
  const verification = await verify('edited', 2);
  expect(verification).toMatchObject({ equal: false, losses: { difference: { step: 14, lastEqual: 13 } }, hashes: [] });
  expect(existsSync(`${verification.folder}/train/progress.jsonl`)).toBe(true);
  expect(await findLiveJob(jobFolder(`${verification.folder}/train`))).toBeUndefined();
});

test.each(['samples', 'random', 'weights', 'optimizer'])('a difference in %s only is found', async (name) => {
  const folder = await copyRun('smooth', `other-${name}`);
  await editProgress(folder, (text) =>
    text.replaceAll(new RegExp(`("${name}":\\[?)"[0-9a-f]{64}"`, 'g'), `$1"${'0'.repeat(64)}"`),
  );
  const verification = await verify(`other-${name}`, 2);
  expect(verification).toMatchObject({ equal: false, losses: { difference: null } });
  expect(verification.hashes).toEqual([{ epoch: 2, ...allEqual, [name]: 'different' }]);
});

test('other data or another seed differs from the first step on', async () => {
  const folder = await copyRun('smooth', 'seeded');
  await writeFile(folder.plan, JSON.stringify({ ...miniPlan, seed: 8 }));
  expect(await verify('seeded', 2)).toMatchObject({
    equal: false,
    losses: { difference: { step: 11, lastEqual: null } },
  });
});

test('a checkpoint that differs from the one that the run saved is not used', async () => {
  const folder = await copyRun('smooth', 'flipped');
  const path = `${folder.train.checkpoints}/e001-i000010`;
  const content = (await readFile(`${path}.pth`, 'utf8')).replace(
    /"digest": "(.)/,
    (_, digit: string) => `"digest": "${digit === '0' ? '1' : '0'}`,
  );
  await writeFile(`${path}.pth`, content);
  await expect(verify('flipped', 2)).rejects.toThrow(
    /e001-i000010.pth was not used: its sha256 is .*can be verified: 1, 3/s,
  );
  const manifest = await readFile(`${path}.json`, 'utf8');
  const sha256 = createHash('sha256').update(content).digest('hex');
  await writeFile(`${path}.json`, manifest.replace(/"sha256": ?"[0-9a-f]+"/, `"sha256":"${sha256}"`));
  await expect(verify('flipped', 2)).rejects.toThrow('which the run never saved under this name');
});

test('a record of an earlier version is compared by its losses', async () => {
  const folder = await copyRun('smooth', 'old');
  await editProgress(folder, (text) =>
    text
      .split('\n')
      .filter((line) => !line.includes('"type":"epoch"'))
      .join('\n')
      .replaceAll(/"planHash":"[0-9a-f]+","control":{[^}]*},/g, ''),
  );
  const verification = await verify('old', 2);
  expect(verification).toMatchObject({ equal: true, losses: { steps: 10 }, hashes: [] });
  expect(verification.notes.join('\n')).toMatch(/recorded no control values.*recorded no hashes/s);
});

test('a deleted checkpoint is replaced by an earlier one on request, or by its copy in the store', async () => {
  const folder = await copyRun('smooth', 'pruned');
  const name = 'e001-i000010';
  const copies = `${mini.dependencies.home}/copies`;
  await mkdir(copies);
  for (const suffix of ['pth', 'json'])
    await cp(`${folder.train.checkpoints}/${name}.${suffix}`, `${copies}/${name}.${suffix}`);
  for (const suffix of ['pth', 'json']) await rm(`${folder.train.checkpoints}/${name}.${suffix}`);
  await expect(verify('pruned', 2)).rejects.toThrow(/no usable checkpoint.*can be verified: 1, 3\..*--from-earlier/s);
  expect(await verify('pruned', 2, { fromEarlier: true })).toMatchObject({
    equal: true,
    checkpoint: null,
    hashes: [{ epoch: 1 }, { epoch: 2 }],
  });

  await editStore(folder);
  const store = mini.dependencies.openStore('');
  const manifest = CheckpointManifest.parse(JSON.parse(await readFile(`${copies}/${name}.json`, 'utf8')));
  const keys = mirrorKeys('pruned');
  await store.put(keys.checkpoint(manifest), `${copies}/${name}.pth`);
  await store.put(keys.manifest(manifest), `${copies}/${name}.json`);
  const pointer = { v: 1, fence: 1, host: 'other', checkpoints: [manifest], updatedAt: 1 };
  await store.replace(keys.pointer, JSON.stringify(pointer), { ifMatch: null });
  expect(await verify('pruned', 2)).toMatchObject({ equal: true, checkpoint: `${name}.pth`, notes: [] });
});

test('a finished epoch of a running training waits for its GPUs', async () => {
  const folder = runFolder(mini.dependencies.home, 'running');
  const { owner } = await start(folder, {
    plan: { ...miniPlan, epochs: 40 },
    control: { ...miniControl, epochs: 40 },
  });
  await until(() => Promise.resolve(existsSync(`${folder.train.checkpoints}/e001-i000010.json`) || undefined));
  const waits: string[] = [];
  const verification = verify('running', 1, {
    onWait: (wait) => {
      if (wait === null) return;
      waits.push(...wait.holders.map(({ run }) => run ?? ''));
      process.kill(owner.pid, 'SIGTERM');
    },
  });
  expect(await verification).toMatchObject({ equal: true });
  expect(waits).toContain('running');
});

/** Returns the dependencies with a trainer that injects a fault. */
const withFault = (...fault: string[]) => {
  const { programs } = mini.dependencies;
  const train: typeof programs.train = (...request) => [...programs.train(...request), ...fault];
  return { ...mini.dependencies, programs: { ...programs, train } };
};

test('an interrupted verification leaves no process and no file', async () => {
  const stopped = new AbortController();
  const request = { signal: stopped.signal, onStep: () => stopped.abort() };
  await expect(verify('smooth', 2, request, withFault('--hang-at-step', '15'))).rejects.toThrow();
  const { verifications } = homeFolders(mini.dependencies.home);
  expect((await readdir(verifications)).filter((name) => name.startsWith('smooth'))).toEqual([]);
  expect(findMarked('PYTHONPATH', fakeTrainerPath).filter(({ argv }) => argv.join().includes(verifications))).toEqual(
    [],
  );
});

test('a repetition that crashes is an error with its cause and log', async () => {
  await expect(verify('smooth', 2, {}, withFault('--fail-at-step', '15'))).rejects.toThrow(
    /did not reach its end \(crashed: .*configured to fail\). Log: .*trainer.log/s,
  );
});

test('the store is not asked while this disk has the checkpoint', async () => {
  const folder = await copyRun('smooth', 'remote');
  await editStore(folder);
  const dependencies = { ...mini.dependencies, openStore: () => expect.unreachable() };
  for (const epoch of [1, 2]) expect(await verify('remote', epoch, {}, dependencies)).toMatchObject({ equal: true });
});

test('a torn line of the record costs no more than its step', async () => {
  const folder = await copyRun('smooth', 'torn');
  await editProgress(folder, (text) => text.replace(/.*"iteration":20,"loss".*/, (line) => line.slice(0, 60)));
  expect(await verify('torn', 2)).toMatchObject({ equal: true, losses: { steps: 9 }, hashes: [{ epoch: 2 }] });
});

test.each([
  [4, undefined, 'smooth has completed 3 epochs; epoch 4 is not one of them.'],
  [2, { first: 10, last: 12 }, 'Epoch 2 has steps 11..20; 10..12 is not part of it.'],
])('epoch %d, steps %j is refused with the reason', async (epoch, steps, message) => {
  await expect(verify('smooth', epoch, { steps })).rejects.toThrow(message);
});
