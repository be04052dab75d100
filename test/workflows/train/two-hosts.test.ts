/** Tests one run on two simulated machines, each with a worker and a supervisor, joined by a real torchrun rendezvous. */
import { readdir, readFile } from 'node:fs/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { expect, test } from 'vitest';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { readJson } from '../../../activities/shared/files/json-file.ts';
import { currentFence } from '../../../activities/shared/run/fence.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { updateNames } from '../../../configs/names.ts';
import type { RunFolder } from '../../../configs/paths.ts';
import { CheckpointManifest, RunStatus, TrainerExit, type RunInput } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { hosts, inputForHosts, withTwoHosts } from '../../helpers/two-hosts.ts';
import { until } from '../../helpers/until.ts';

const statusOf = async (handle: WorkflowHandle): Promise<RunStatus> => RunStatus.parse(await handle.query('status'));

const finalWeights = async ({ train }: RunFolder): Promise<string | undefined> =>
  (await readJson(`${train.checkpoints}/e003-i000030.json`, CheckpointManifest))?.sha256;

const untilStep = (folder: RunFolder, iteration: number) =>
  until(async () => {
    const events = await readProgress(folder.train.progress);
    return events.some((event) => event.type === 'step' && event.iteration >= iteration) ? true : undefined;
  });

/** Returns the pid of the rank on a host. */
async function rankOn(folder: RunFolder, host: string): Promise<number> {
  const { dir } = folder.host(host);
  const [name] = await readdir(`${dir}/heartbeats`);
  return Number((await readFile(`${dir}/heartbeats/${name}`, 'utf8')).split(' ')[0]);
}

/** Waits until both hosts have the fencing token of the second attempt. */
const untilAdopted = (folder: RunFolder) =>
  until(async () => {
    const newest = await Promise.all(hosts.map((host) => currentFence(folder.host(host))));
    return newest.every((fence) => fence === 2) ? true : undefined;
  });

const endingsOf = (folder: RunFolder) =>
  Promise.all(hosts.map(async (host) => (await readJson(folder.host(host).exit, TrainerExit))?.reason));

test('two hosts restart after one rank is killed and get the weights of an undisturbed run', async () => {
  await withTwoHosts(['--step-seconds', '0.3'], async ({ client, startWorker, folderOf }) => {
    for (const host of hosts) await startWorker(host);
    const train = async (input: RunInput, disturb: (folder: RunFolder) => Promise<void>) => {
      const { handle } = await startRun(client, input);
      await disturb(folderOf(input));
      await handle.result();
      return (await statusOf(handle)).attempts;
    };
    const [calm, shaken] = [inputForHosts(), inputForHosts()];
    const [only, ...more] = await train(calm, () => Promise.resolve());
    expect(more).toEqual([]);
    expect(only).toMatchObject({ outcome: 'finished', fromIteration: 0, toIteration: 30, checkpoints: [30, 20, 10] });
    expect(await endingsOf(folderOf(calm))).toEqual(['finished', 'finished']);
    const [started] = (await readProgress(folderOf(calm).train.progress)).filter(({ type }) => type === 'started');
    expect(started).toMatchObject({ fence: 1, attempt: 1 });

    const attempts = await train(shaken, async (folder) => {
      await untilStep(folder, 15);
      process.kill(await rankOn(folder, 'gpu-b'), 'SIGKILL');
    });
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['crashed', 'finished']);
    expect(attempts[0]).toMatchObject({ failure: { class: 'killed' } });
    expect(attempts[1]).toMatchObject({ resumedFrom: 'e001-i000010.pth', fromIteration: 10, toIteration: 30 });
    expect(await finalWeights(folderOf(shaken))).toBe(await finalWeights(folderOf(calm)));
    expect(await finalWeights(folderOf(calm))).toBeDefined();
  });
});

test('two hosts pause together, adopt trainers of lost workers and end when cancelled', async () => {
  await withTwoHosts(
    ['--step-seconds', '0.2', '--steps-per-epoch', '500'],
    async ({ client, startWorker, folderOf }) => {
      const [first, second] = [await startWorker('gpu-a'), await startWorker('gpu-b')];
      const input = inputForHosts();
      const folder = folderOf(input);
      const { handle } = await startRun(client, input);
      await untilStep(folder, 2);
      const pids = await Promise.all(hosts.map((host) => rankOn(folder, host)));

      await second.stop();
      await startWorker('gpu-b');
      await first.stop();
      await startWorker('gpu-a');
      await until(async () => ((await statusOf(handle)).progress?.attempt === 2 ? true : undefined));
      await untilAdopted(folder);
      expect(await handle.executeUpdate(updateNames.pause)).toMatchObject({ iteration: expect.any(Number) as number });
      expect(await endingsOf(folder)).toEqual(['preempted', 'preempted']);
      const { attempts } = await statusOf(handle);
      expect(attempts.map(({ outcome, adopted }) => [outcome, adopted])).toEqual([
        ['worker-lost', false],
        ['preempted', true],
      ]);
      expect(pids.some((pid) => isAlive(pid))).toBe(false);
      const fences = hosts.map(async (host) => (await readJson(folder.host(host).exit, TrainerExit))?.fence);
      expect(await Promise.all(fences)).toEqual([1, 1]);

      await handle.executeUpdate(updateNames.resume);
      await until(async () => ((await statusOf(handle)).progress?.attempt === 3 ? true : undefined));
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow();
      expect(await findLiveJob(folder.host('gpu-a'))).toBeUndefined();
      expect(await findLiveJob(folder.host('gpu-b'))).toBeUndefined();
    },
  );
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
