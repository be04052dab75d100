import { expect, test } from 'vitest';
import { buildLedger } from '../../../activities/shared/summary/ledger.ts';
import type { RunFailure, RunStatus } from '../../../configs/schema/index.ts';
import { formatRunTable } from '../../../infra/client/format-runs.ts';
import { createLiveDisplay } from '../../../infra/terminal/live-display.ts';
import { formatRunStatus } from '../../../infra/terminal/format-run-status.ts';
import { aFailure, anAttempt } from '../../helpers/stub-activities.ts';

const status: RunStatus = {
  runId: 'swin-s-blog',
  recipe: 'cascade-mask-rcnn_swin-s_blog',
  stage: 'training',
  checks: [],
  steps: [],
  progress: {
    v: 1,
    attempt: 2,
    epoch: 12,
    epochs: 36,
    iteration: 175_898,
    iterationsPerEpoch: 14_659,
    loss: 0.81234,
    lr: 0.0001,
    bboxAP: 0.432,
    segmAP: 0.4,
    etaSeconds: 198_000,
    imagesPerSecond: 7.314,
    mfu: 0.3117,
    lastCheckpoint: null,
    checkpointNow: 0,
    pid: 7,
    remote: null,
  },
  attempts: [anAttempt({ outcome: 'crashed', failure: aFailure('retry'), epoch: 7 })],
  decisions: [{ at: 1, attempt: 1, next: 'retry', why: 'crashed with a new checkpoint', change: null }],
  ledger: { ...buildLedger([], 0), goodput: 0.991 },
  control: null,
  notice: null,
  waiting: null,
  report: null,
  page: null,
};

test('formatRunStatus shows stages, progress bar, metrics, attempts and the last decision', () => {
  expect(formatRunStatus(status, { width: 80 }).join('\n')).toMatchInlineSnapshot(`
    "swin-s-blog  cascade-mask-rcnn_swin-s_blog  training
      planning   done
      fetching   done
      training   [███████·················]   33 %  2 d 07 h left
                 epoch 12/36  step 14,649/14,659  loss 0.812  lr 0.00010
                 box AP 43.2  mask AP 40.0  7.31 images/s  MFU 31.2 %
      testing    –
      reporting  –
                 attempt 1: epochs 0 → 7 on gpu-a, crashed: sample
      decision   retry: crashed with a new checkpoint
      goodput    99.1 %"
  `);
});

test('formatRunStatus shows files while fetching, and the report when done', () => {
  const file = { what: 'train2017.zip', bytes: 5e9, totalBytes: 19.3e9, bytesPerSecond: 90e6, etaSeconds: 160 };
  const fetching = formatRunStatus({ ...status, stage: 'fetching', progress: null }, { preparation: [file] });
  expect(fetching[2]).toBe('  fetching   train2017.zip  25 % of 19.3 GB  90.0 MB/s  3 min left');
  const done = formatRunStatus({ ...status, stage: 'done', report: 'file:///r/index.html' });
  expect(done.filter((line) => line.endsWith('done'))).toHaveLength(6);
  expect(done.at(-1)).toBe('  report     file:///r/index.html');
});

test('formatRunStatus shows no MFU on a CPU, and no speed of a trainer of an earlier version', () => {
  const { progress } = status;
  const line = (speed: object) => formatRunStatus({ ...status, progress: progress && { ...progress, ...speed } })[4];
  expect(line({ mfu: null })).toMatch(/mask AP 40.0 {2}7.31 images\/s$/);
  expect(line({ mfu: undefined, imagesPerSecond: undefined })).toMatch(/mask AP 40.0$/);
});

test('formatRunStatus says that the time left is unknown while no trainer runs', () => {
  const { progress } = status;
  const paused = formatRunStatus({ ...status, progress: progress && { ...progress, etaSeconds: null } });
  expect(paused[3]).toMatch(/time left unknown$/);
});

test('formatRunStatus shows the failed stage, and why, of a run without an attempt', () => {
  const failure: RunFailure = {
    v: 1,
    at: 1,
    stage: 'fetching',
    code: 'DownloadRefused',
    class: null,
    cause: 'https://example.org/train2017.zip answered 404 and no other address of the file is known to this run.',
    evidence: ['GET /train2017.zip', '404 Not Found'],
    remedy: 'Check the address.',
    logTail: [],
  };
  const empty = { progress: null, attempts: [], decisions: [], ledger: buildLedger([], 0) };
  expect(formatRunStatus({ ...status, ...empty, stage: 'failed', failure }, { width: 80 }).join('\n'))
    .toMatchInlineSnapshot(`
      "swin-s-blog  cascade-mask-rcnn_swin-s_blog  failed
        planning   done
        fetching   failed
        training   –
        testing    –
        reporting  –
        failed     DownloadRefused while fetching
        cause      https://example.org/train2017.zip answered 404 and no other
                   address of the file is known to this run.
        evidence   GET /train2017.zip
                   404 Not Found
        next step  Check the address."
    `);
});

test('formatRunTable fits 80 columns, and shows why a run failed', () => {
  const run = { startedAt: 1_796_000_000, attributes: { Phase: 'training', Epoch: 12, BboxMAP: 0.4312, SegmMAP: 0.4 } };
  const failure = {
    code: 'PlanStopped',
    cause: 'The dry run found 1 error:',
    evidence: ['- GPUs: 8 requested, 4 available on this machine. Set gpus.'],
  };
  const failed: RunFailure = { v: 1, at: 1, stage: null, class: null, remedy: '', logTail: [], ...failure };
  const lines = formatRunTable(
    [
      { ...run, id: 'train:swin-s-blog', status: 'running' },
      { ...run, id: 'train:too-large', status: 'failed', attributes: {}, failure: failed },
      {
        ...run,
        id: 'train:demo',
        status: 'completed',
        attributes: { Phase: 'done' },
        report: '/home/report/index.html',
      },
    ],
    80,
  );
  expect(lines.join('\n')).toMatchInlineSnapshot(`
    "RUN          STATE     EPOCHS  BOX AP  MASK AP  STARTED UTC
    swin-s-blog  training      12    43.1     40.0  11-30 00:53
    too-large    failed                             11-30 00:53
      PlanStopped: The dry run found 1 error: GPUs: 8 requested, 4 available on th…
    demo         done                               11-30 00:53
      /home/report/index.html"
  `);
  expect(lines.filter((line) => line.length > 79)).toEqual([]);
});

test('createLiveDisplay redraws the lines below the log on a terminal, and prints only the log elsewhere', () => {
  const written = (isTTY: boolean) => {
    let text = '';
    const write = (more: unknown) => ((text += String(more)), true);
    const display = createLiveDisplay({ isTTY, columns: 20, write });
    display.update(['one', 'a line that is far too long']);
    display.log('a message');
    display.update([]);
    return text;
  };
  expect(written(false)).toBe('a message\n');
  const both = 'one\na line that is far…\n';
  expect(written(true)).toBe(`${both}\u001b[2A\u001b[Ja message\n${both}\u001b[2A\u001b[J`);
});
