import { expect, test } from 'vitest';
import { buildLedger } from '../../../activities/shared/summary/ledger.ts';
import type { RunStatus } from '../../../configs/schema/index.ts';
import { renderRunDetails } from '../../../workflows/train/run-details.ts';

const status: RunStatus = {
  runId: 'swin-s-blog',
  recipe: 'cascade-mask-rcnn_swin-s_blog',
  stage: 'training',
  progress: {
    v: 1,
    attempt: 2,
    epoch: 12,
    epochs: 36,
    iteration: 170_001,
    loss: 0.73219,
    lr: 0.0001,
    bboxAP: 0.4412,
    segmAP: 0.398,
    etaSeconds: 212_400,
    imagesPerSecond: 7.314,
    mfu: 0.3117,
    lastCheckpoint: null,
    checkpointNow: 0,
    pid: 7,
    remote: { iteration: 169_500, backlog: 1, problem: null },
  },
  checks: [
    { name: 'port', verdict: 'ok', message: 'a free one', remedy: null },
    { name: 'open files', verdict: 'warning', message: '1024 | a process', remedy: 'ulimit -n 4096' },
  ],
  steps: [{ step: 'weights', hit: false, why: 'miss: recipe text changed (aaaa → bbbb)' }],
  attempts: [],
  decisions: [
    { at: 1, attempt: 1, next: 'retry', why: 'crashed | after a\nnew checkpoint', change: 'learning rate x 0.5' },
  ],
  ledger: { ...buildLedger([], 0), goodput: 0.9712 },
  control: null,
  notice: null,
  waiting: null,
  report: null,
  page: 'http://127.0.0.1:8235/runs/swin-s-blog/',
};

test('renderRunDetails lists the state of the run, then checks, steps and decisions', () => {
  expect(renderRunDetails(status)).toMatchInlineSnapshot(`
    "### swin-s-blog

    | | |
    | --- | --- |
    | **Stage** | training |
    | **Epoch** | 12 of 36 |
    | **Iteration** | 170001 |
    | **Loss** | 0.7322 |
    | **Box AP** | 44.1 |
    | **Mask AP** | 39.8 |
    | **Speed** | 7.31 images/s, MFU 31.2 % |
    | **ETA** | 2 d 11 h |
    | **Goodput** | 97.1 % |
    | **Attempts** | 1 |
    | **Remote copy** | iteration 169500, 1 pending |
    | **Page** | [http://127.0.0.1:8235/runs/swin-s-blog/](http://127.0.0.1:8235/runs/swin-s-blog/) |

    **Dry run**

    - warning: open files: 1024 \\| a process

    **Pipeline steps**

    - weights: miss: recipe text changed (aaaa → bbbb)

    **Decisions**

    - attempt 1 → retry: crashed \\| after a new checkpoint (learning rate x 0.5)"
  `);
});

test('renderRunDetails shows a dash for unknown values', () => {
  expect(renderRunDetails({ ...status, progress: null })).toContain('| **Box AP** | – |');
});
