import { appendFile, mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { styleText } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLiveRunReader, type LiveRun } from '../../../../activities/pages/runs/live-run.ts';
import { LiveFile } from '../../../../activities/pages/runs/live-file.ts';
import { renderLiveFile, renderLiveFragment, renderLivePage } from '../../../../activities/pages/runs/render-live.ts';
import { runFolder } from '../../../../configs/paths.ts';
import type { TrainerEvent } from '../../../../configs/schema/index.ts';
import { sampleEvents, samplePlan } from '../../../fixtures/sample-report.ts';
import { miniPlan } from '../../../helpers/mini-run.ts';
import { findTagErrors } from '../../report/tag-errors.ts';

let home: string;
let folder: ReturnType<typeof runFolder>;
let gather: () => Promise<LiveRun | undefined>;

beforeEach(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-live-`);
  folder = runFolder(home, 'mini');
  await mkdir(folder.train.dir, { recursive: true });
  const gatherer = createLiveRunReader(home);
  gather = () => gatherer('mini');
});

afterEach(() => rm(home, { recursive: true }));

const write = (...events: TrainerEvent[]) =>
  appendFile(folder.train.progress, events.map((event) => `${JSON.stringify(event)}\n`).join(''));

const started = (attempt: number, iteration: number): TrainerEvent => ({
  v: 1,
  type: 'started',
  t: 1000 * attempt,
  attempt,
  fence: attempt,
  epoch: 0,
  iteration,
  iterationsPerEpoch: 10,
  epochs: 3,
  worldSize: 1,
  device: 'cpu',
  pids: [1],
  versions: {},
  resumedFrom: iteration === 0 ? null : 'e000-i000002.pth',
});
const step = (attempt: number, iteration: number, loss = 1, speed = {}): TrainerEvent => ({
  v: 1,
  type: 'step',
  t: 1000 * attempt + iteration,
  attempt,
  epoch: 1,
  iteration,
  loss,
  losses: {},
  lr: 0.1,
  stepSeconds: 1,
  dataSeconds: 0,
  etaSeconds: 60,
  memoryMb: null,
  ...speed,
});
const steps = (live: LiveRun | undefined) => live?.curves.loss.map(({ iteration }) => iteration);

describe('createLiveRunReader', () => {
  test('returns undefined for a missing run and a waiting state for an unstarted one', async () => {
    expect(await createLiveRunReader(home)('other')).toBeUndefined();
    expect(await gather()).toMatchObject({ stage: 'preparing', plan: null, lastEventAt: null, log: null });
  });

  test('reads appended events and returns the same object while nothing changes', async () => {
    await write(started(1, 0), step(1, 1));
    const first = await gather();
    expect(first).toMatchObject({ stage: 'training', iterations: 30, progress: { iteration: 1, epochs: 3 } });
    expect(await gather()).toBe(first);
    await appendFile(folder.train.progress, '{"v":1,"type":"step","ite'); // a line that is being written
    expect(steps(await gather())).toEqual([1]);
    await appendFile(folder.train.progress, '\n');
    await write(step(1, 2));
    expect(steps(await gather())).toEqual([1, 2]);
  });

  test('does not know the time left before the first step and after a stop', async () => {
    const timeLeft = async () => (await gather())?.progress.etaSeconds;
    const at = { attempt: 1, fence: 1, epoch: 0, iteration: 1, t: 1002 };
    await write(started(1, 0), step(1, 1));
    expect(await timeLeft()).toBe(60);
    await write({ v: 1, type: 'ended', ...at, reason: 'preempted' });
    expect(await timeLeft()).toBeNull();
    await write(started(2, 1));
    expect(await timeLeft()).toBeNull();
  });

  test('shows the speed of the newest steps while a trainer runs', async () => {
    const speed = async () =>
      /Images\/s<\/dt><dd><b>(.*?)<\/b> <span>(.*?)</.exec(renderLiveFragment(await live()))?.slice(1);
    const live = async () => (await gather()) ?? expect.fail('no run');
    await write(started(1, 0), step(1, 1, 1, { imagesPerSecond: 7.314, mfu: 0.3117 }));
    expect(await speed()).toEqual(['7.31', 'MFU 31.2 %']);
    await write(step(1, 2, 1, { imagesPerSecond: 0.5, mfu: null }));
    expect(await speed()).toEqual(['0.5', 'in training']);
    await write(started(2, 2));
    expect(await speed()).toBeUndefined();
  });

  test('shows what the GPUs do while they train', async () => {
    const bytes = { usedBytes: 18 * 2 ** 30, totalBytes: 24 * 2 ** 30 };
    const gpu = { index: 0, name: 'Test GPU', heldBy: null, findings: [], verdict: 'ok' };
    const gpus = [
      { ...gpu, uuid: 'GPU-0', facts: { utilization: 97, temperature: 61, memory: bytes } },
      { ...gpu, uuid: 'GPU-1', index: 1, facts: { utilization: null } },
    ];
    await writeFile(folder.gpus, JSON.stringify({ v: 1, at: 1000, problem: null, gpus, waiting: [] }));
    const rows = async () => {
      const page = renderLiveFragment((await gather()) ?? expect.fail('no run'));
      const [, body = ''] = /aria-label="GPUs".*?<tbody>(.*?)<\/tbody>/s.exec(page) ?? [];
      return [...body.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row = '']) => row.replaceAll(/<[^>]*>/g, '|'));
    };
    await write(started(1, 0), step(1, 1));
    expect(await rows()).toEqual(['|0 |Test GPU|||97 %||18.0 of 24.0 GiB||61 °C||ok|', '|1 |Test GPU|||–||–||–||ok|']);
    await write({ v: 1, type: 'ended', t: 1002, attempt: 1, reason: 'preempted', epoch: 0, iteration: 1 });
    expect(await rows()).toEqual([]);
  });

  test('starts over when the progress file is replaced or truncated', async () => {
    await write(started(1, 0), step(1, 1), step(1, 2));
    expect(steps(await gather())).toEqual([1, 2]);
    await truncate(folder.train.progress, 0);
    await write(started(1, 0), step(1, 1));
    expect(steps(await gather())).toEqual([1]);
    await writeFile(`${folder.train.progress}.new`, `${JSON.stringify(step(1, 7))}\n`.repeat(9));
    await rename(`${folder.train.progress}.new`, folder.train.progress);
    expect(steps(await gather())).toEqual([7]);
  });

  test('shares one result between concurrent calls', async () => {
    await write(started(1, 0), step(1, 1));
    const [one, other] = await Promise.all([gather(), gather()]);
    expect(one).toBe(other);
    expect(one?.timeline).toHaveLength(1);
  });

  test('reads a run with 150,000 steps', async () => {
    await writeFile(folder.train.progress, `${JSON.stringify(step(1, 1))}\n`.repeat(150_000));
    await write(started(2, 1), step(2, 2));
    expect(steps(await gather())).toEqual([1, 2]);
  });

  test('drops steps that a resume discarded and reports lost trainers', async () => {
    await write(started(1, 0), step(1, 1), step(1, 2), step(1, 3, 9), started(2, 2), step(2, 3, 5));
    const live = await gather();
    expect(live?.curves.loss.at(-1)).toEqual({ iteration: 3, loss: 5, lr: 0.1 });
    expect(live?.timeline.map(({ kind, iteration }) => [kind, iteration])).toEqual([
      ['started', 0],
      ['crashed', 3],
      ['resumed', 2],
    ]);
    await write({ v: 1, type: 'ended', t: 3000, attempt: 2, reason: 'preempted', epoch: 0, iteration: 3 });
    await write(started(4, 3));
    expect((await gather())?.timeline.map(({ kind }) => kind).slice(-2)).toEqual(['preempted', 'resumed']);
  });
});

describe('the log of a live run', () => {
  test('is the end of the log that was written last, without colors', async () => {
    await write(started(1, 0));
    const lines = Array.from({ length: 60 }, (_, line) => styleText('red', `line ${line}`, { validateStream: false }));
    expect(lines[0]).toContain('\u001b');
    await writeFile(folder.train.log, `${lines.join('\n')}\n`);
    const { log } = (await gather()) ?? expect.fail('no run');
    expect(log?.path).toBe('train/trainer.log');
    expect(log?.lines).toHaveLength(40);
    expect(log?.lines.at(-1)).toBe('line 59');
    await appendFile(folder.train.log, 'loading 10 %\rloading 90 %\n');
    expect((await gather())?.log?.lines.at(-1)).toBe('loading 90 %');
  });

  test('is not read through a link', async () => {
    await write(started(1, 0));
    await writeFile(`${home}/secret`, 'secret');
    await symlink(`${home}/secret`, folder.train.log);
    expect((await gather())?.log).toBeNull();
  });
});

describe('renderLivePage', () => {
  const readSample = async () => {
    await write(...sampleEvents());
    await writeFile(folder.plan, JSON.stringify(samplePlan));
    const live = await gather();
    if (live === undefined) throw new Error('expected a run');
    return live;
  };

  test('is well-formed, has no inline styles, and contains the fragment', async () => {
    const live = await readSample();
    const [page, file, fragment] = [renderLivePage(live), renderLiveFile(live), renderLiveFragment(live)];
    // A script may compare.
    for (const html of [page, file]) expect(findTagErrors(html.replace(/<script>[^]*<\/script>/, ''))).toEqual([]);
    expect(page).toContain(fragment);
    expect(file).toContain(fragment);
    expect(fragment).not.toMatch(/ style=/);
  });

  test('as a file reloads itself and sends no requests', async () => {
    const file = renderLiveFile(await readSample());
    expect(file).not.toContain('fetch(');
    expect(file).not.toContain('connect-src');
    expect(file).toContain('<meta http-equiv="refresh" content="30">');
  });
});

describe('LiveFile', () => {
  test('does not write for a superseded attempt and only reports the error', async () => {
    const problems: unknown[] = [];
    const stale = new LiveFile(
      home,
      'mini',
      () => Promise.reject(new Error('stale')),
      (error) => problems.push(error),
    );
    stale.rewrite();
    await stale.settled();
    expect(problems).toEqual([new Error('stale')]);
    await expect(writeFile(`${folder.report}/index.html`, '', { flag: 'r+' })).rejects.toThrow('ENOENT');
  });

  test('writes again after a failed write', async () => {
    const problems: unknown[] = [];
    const file = new LiveFile(
      home,
      miniPlan.runId,
      () => Promise.resolve(),
      (error) => problems.push(error),
    );
    await writeFile(folder.report, 'in the way');
    file.rewrite();
    await file.settled();
    expect(problems).toHaveLength(1);
    await rm(folder.report);
    file.rewrite();
    file.rewrite();
    await file.settled();
    expect(problems).toHaveLength(1);
  });
});
