import { expect, test } from 'vitest';
import { superviseArgv, testArgv, trainArgv } from '../../../activities/lib/trainer-argv.ts';
import { jobFolder } from '../../../configs/paths.ts';
import { miniPlan } from '../../helpers/mini-run.ts';

const job = jobFolder('/runs/demo/train');
const files = { plan: '/runs/demo/plan.json', recipe: '/recipes/mini.py', data: '/data' };

test('training runs one rank per GPU through torchrun, without restarts of its own', () => {
  const argv = trainArgv({ ...miniPlan, gpus: 4 }, { ...files, weights: '/w.pth', resume: undefined }, job, 'cuda');
  expect(argv.join(' ')).toBe(
    '-m torch.distributed.run --standalone --nproc-per-node 4 --max-restarts 0 -m everswin_trainer train ' +
      '--plan /runs/demo/plan.json --recipe /recipes/mini.py --data /data --job-dir /runs/demo/train --device cuda ' +
      '--weights /w.pth',
  );
});

test('a checkpoint to resume from is named by its path', () => {
  const argv = trainArgv(miniPlan, { ...files, weights: '/w.pth', resume: '/c/e001.pth' }, job, 'cpu');
  expect(argv.slice(-2)).toEqual(['--resume', '/c/e001.pth']);
});

test('a path with blanks and quotes stays one argument: nothing goes through a shell', () => {
  const odd = `/data/it's "mine"; rm -rf`;
  expect(testArgv(miniPlan, { ...files, data: odd, checkpoint: '/c.pth' }, job, 'cpu')).toContain(odd);
});

test('the supervisor gets the attempt, the fence and a grace longer than torchrun’s 30 seconds', () => {
  const argv = superviseArgv(job, 3, 7, ['python', '-m', 'x']);
  expect(argv.join(' ')).toBe(
    '-m everswin_trainer supervise --job-dir /runs/demo/train --attempt 3 --fence 7 --grace-seconds 45 -- python -m x',
  );
});
