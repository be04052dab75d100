import { expect, test } from 'vitest';
import { renderMarkdown } from '../../../../activities/lib/report/markdown.ts';
import { sampleReport } from '../../../fixtures/sample-report.ts';
import { hostileReport } from './hostile-report.ts';

const markdown = renderMarkdown(sampleReport());
const countCells = (row: string): number => row.replace(/\\./g, '').split('|').length;

test('it says the same in short', () => {
  expect(markdown).toMatchInlineSnapshot(`
    "# swin-s-blog

    Box AP 50.8 and mask AP 44.3: level with the seed post's 50.8 / 44.3; 1.0 and 0.4 points below the paper's 51.8 / 44.7.

    36 epochs on 4 GPUs · 3 d 09 h in all, 3 d 09 h of it training · finished 2026-08-14 03:38 UTC

    ## Results

    ### Box

    |  |  | this run | seed post | ± points | paper | ± points |
    | --- | --- | --: | --: | --: | --: | --: |
    | AP | Average Precision (AP) @\\[ IoU=0.50:0.95 \\| area=all \\| maxDets=100 \\] | 0.508 | 0.508 | 0.0 | 0.518 | −1.0 |
    | AP50 | Average Precision (AP) @\\[ IoU=0.50 \\| area=all \\| maxDets=1000 \\] | 0.701 | 0.701 | 0.0 | 0.704 | −0.3 |
    | AP75 | Average Precision (AP) @\\[ IoU=0.75 \\| area=all \\| maxDets=1000 \\] | 0.555 | 0.555 | 0.0 | 0.563 | −0.8 |
    | APs | Average Precision (AP) @\\[ IoU=0.50:0.95 \\| area=small \\| maxDets=1000 \\] | 0.335 | 0.335 | 0.0 | – | – |
    | APm | Average Precision (AP) @\\[ IoU=0.50:0.95 \\| area=medium \\| maxDets=1000 \\] | 0.542 | 0.542 | 0.0 | – | – |
    | APl | Average Precision (AP) @\\[ IoU=0.50:0.95 \\| area=large \\| maxDets=1000 \\] | 0.663 | 0.663 | 0.0 | – | – |
    | AR100 | Average Recall (AR) @\\[ IoU=0.50:0.95 \\| area=all \\| maxDets=100 \\] | 0.630 | 0.630 | 0.0 | – | – |
    | AR300 | Average Recall (AR) @\\[ IoU=0.50:0.95 \\| area=all \\| maxDets=300 \\] | 0.630 | 0.630 | 0.0 | – | – |
    | AR1000 | Average Recall (AR) @\\[ IoU=0.50:0.95 \\| area=all \\| maxDets=1000 \\] | 0.630 | 0.630 | 0.0 | – | – |
    | ARs | Average Recall (AR) @\\[ IoU=0.50:0.95 \\| area=small \\| maxDets=1000 \\] | 0.455 | 0.455 | 0.0 | – | – |
    | ARm | Average Recall (AR) @\\[ IoU=0.50:0.95 \\| area=medium \\| maxDets=1000 \\] | 0.664 | 0.664 | 0.0 | – | – |
    | ARl | Average Recall (AR) @\\[ IoU=0.50:0.95 \\| area=large \\| maxDets=1000 \\] | 0.779 | 0.779 | 0.0 | – | – |

    ### Mask

    |  |  | this run | seed post | ± points | paper | ± points |
    | --- | --- | --: | --: | --: | --: | --: |
    | AP | Average Precision (AP) @\\[ IoU=0.50:0.95 \\| area=all \\| maxDets=100 \\] | 0.443 | 0.443 | 0.0 | 0.447 | −0.4 |
    | AP50 | Average Precision (AP) @\\[ IoU=0.50 \\| area=all \\| maxDets=1000 \\] | 0.675 | 0.675 | 0.0 | 0.679 | −0.4 |
    | AP75 | Average Precision (AP) @\\[ IoU=0.75 \\| area=all \\| maxDets=1000 \\] | 0.480 | 0.480 | 0.0 | 0.485 | −0.5 |
    | APs | Average Precision (AP) @\\[ IoU=0.50:0.95 \\| area=small \\| maxDets=1000 \\] | 0.245 | 0.245 | 0.0 | – | – |
    | APm | Average Precision (AP) @\\[ IoU=0.50:0.95 \\| area=medium \\| maxDets=1000 \\] | 0.474 | 0.474 | 0.0 | – | – |
    | APl | Average Precision (AP) @\\[ IoU=0.50:0.95 \\| area=large \\| maxDets=1000 \\] | 0.636 | 0.636 | 0.0 | – | – |
    | AR100 | Average Recall (AR) @\\[ IoU=0.50:0.95 \\| area=all \\| maxDets=100 \\] | 0.555 | 0.555 | 0.0 | – | – |
    | AR300 | Average Recall (AR) @\\[ IoU=0.50:0.95 \\| area=all \\| maxDets=300 \\] | 0.555 | 0.555 | 0.0 | – | – |
    | AR1000 | Average Recall (AR) @\\[ IoU=0.50:0.95 \\| area=all \\| maxDets=1000 \\] | 0.555 | 0.555 | 0.0 | – | – |
    | ARs | Average Recall (AR) @\\[ IoU=0.50:0.95 \\| area=small \\| maxDets=1000 \\] | 0.370 | 0.370 | 0.0 | – | – |
    | ARm | Average Recall (AR) @\\[ IoU=0.50:0.95 \\| area=medium \\| maxDets=1000 \\] | 0.594 | 0.594 | 0.0 | – | – |
    | ARl | Average Recall (AR) @\\[ IoU=0.50:0.95 \\| area=large \\| maxDets=1000 \\] | 0.716 | 0.716 | 0.0 | – | – |

    ## Course of the run

    Steps repeated: 500 of 532,296 (0.094 %).

    ### Pipeline steps

    - dataset: hit: done on 2026-08-10 19:02 UTC, 5 fields unchanged, its files looked at again
    - weights: miss: weights sha256 changed (9f71c168d837 → 2c2d9bdc3d45)

    ### Attempts

    | attempt | start | from iteration | to | ending | duration | cause |
    | --: | --- | --: | --: | --- | --: | --- |
    | 1 | from the beginning | 0 | 187,420 | crashed | 1 d 04 h | Rank 2 (pid 41877) was killed by SIGKILL: the kernel ended it for lack of memory |
    | 2 | resumed from e012-i186900.pth | 186,900 | 401,000 | worker lost | 1 d 08 h | No heartbeat for 2 minutes |
    | 3 | adopted the running trainer | 186,900 | 532,296 | finished | 20 h 01 min |  |

    Goodput 99.8 %: 3 d 09 h of steps that lasted in 3 d 09 h meant for training; 4 min 46 s of steps were lost. Not counted: validation (0.0 s).

    | time | class | cause | noticed after | steps lost | stepping again after |
    | --: | --- | --- | --: | --: | --: |
    | 1 d 04:39:36 | killed | Rank 2 (pid 41877) was killed by SIGKILL: the kernel ended it for lack of memory | 3.0 s | 520 | 1 min 15 s |
    | 2 d 13:25:25 | worker-lost | No heartbeat for 2 minutes | – | 0 | – |

    | time | event | what | iteration |
    | --: | --- | --- | --: |
    | 0:01:35 | Started | 36 epochs of 14,786 steps on 4 × cuda | 0 |
    | 1 d 04:39:39 | Crashed | Rank 2 (pid 41877) was killed by SIGKILL: the kernel ended it for lack of memory | 187,420 |
    | 1 d 04:40:50 | Resumed | From e012-i186900.pth | 186,900 |
    | 2 d 13:23:25 | Process died | gpu worker (pid 3120): SIGKILL; running again after 1.4 s | 401,000 |
    | 2 d 13:25:25 | Worker lost | No heartbeat for 2 minutes | 401,000 |
    | 2 d 13:25:27 | Adopted | Attempt 3 found the trainer running; no step lost | 401,200 |
    | 3 d 09:27:04 | Finished | Attempt 3 | 532,296 |
    | 3 d 09:34:14 | Tested | 5,000 of 5,000 images | – |

    ## Dry run

    | about | verdict | found |
    | --- | --- | --- |
    | GPUs | ok | 4 wanted, 4 here |
    | shared memory | warning | 0.5 GB of /dev/shm |

    ## Hashes (sha256)

    | of | sha256 |
    | --- | --- |
    | plan | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa |
    | recipe | bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb |
    | data set content | dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd |
    | backbone weights | eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee |
    | tested checkpoint | cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc |
    | trainer lock | ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff |
    "
  `);
});

test('every row of a table has as many cells as its head, whatever the texts hold', () => {
  for (const text of [markdown, renderMarkdown(hostileReport())]) {
    const tables = text
      .trimEnd()
      .split('\n\n')
      .filter((block) => block.startsWith('|'));
    expect(tables).toHaveLength(7);
    for (const table of tables) expect(new Set(table.split('\n').map(countCells)).size).toBe(1);
  }
});

test('no hostile text stays HTML, code or a link', () => {
  const text = renderMarkdown(hostileReport());
  expect(text).not.toMatch(/[<>]/);
  expect(text.replace(/\\./g, '')).not.toMatch(/[`[\]]/);
  expect(text).not.toMatch(/\p{Cc}(?<!\n)|[\u202a-\u202e]/u);
  expect(text.match(/&lt;img src=x/g)?.length).toBeGreaterThan(10);
});
