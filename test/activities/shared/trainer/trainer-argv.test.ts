import { expect, test } from 'vitest';
import { srunArgv, superviseArgv, testArgv, trainArgv } from '../../../../activities/shared/trainer/trainer-argv.ts';
import { jobFolder } from '../../../../configs/paths.ts';
import type { RunPlan } from '../../../../configs/schema/index.ts';
import { startingWeights } from '../../../../configs/schema/plan-weights.ts';
import { miniPlan } from '../../../helpers/mini-run.ts';

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

test('a checkpoint to resume from is named by its path, and by its plan if that is another one', () => {
  const argv = (planHash: string | undefined) =>
    trainArgv(miniPlan, { ...files, weights: '/w.pth', resume: { path: '/c/e001.pth', planHash } }, job, 'cpu');
  expect(argv(undefined).slice(-2)).toEqual(['--resume', '/c/e001.pth']);
  expect(argv('abc').slice(-4)).toEqual(['--resume', '/c/e001.pth', '--resume-plan', 'abc']);
});

test('a run that begins with a detector says so, and an evaluation tests weights instead of a checkpoint', () => {
  const { source } = startingWeights(miniPlan.weights);
  const plan = { ...miniPlan, weights: { detector: { id: 'released', source } } };
  const train = (of: RunPlan) => trainArgv(of, { ...files, weights: '/w.safetensors', resume: undefined }, job, 'cpu');
  expect(train(plan).slice(-2)).toEqual(['--init-detector', '/w.safetensors']);
  expect(train(miniPlan).slice(-2)).toEqual(['--weights', '/w.safetensors']);
  const tested = (of: RunPlan) => testArgv(of, { ...files, tested: '/t' }, job, 'cpu', 1).slice(-2);
  expect(tested(plan)).toEqual(['--checkpoint', '/t']);
  expect(tested({ ...plan, epochs: 0 })).toEqual(['--weights', '/t']);
});

test('a path with blanks and quotes stays one argument: nothing goes through a shell', () => {
  const odd = `/data/it's "mine"; rm -rf`;
  expect(testArgv(miniPlan, { ...files, data: odd, tested: '/c.pth' }, job, 'cpu', 1)).toContain(odd);
});

test('the supervisor gets the fence, a grace longer than torchrun’s 30 seconds, and when a phase hangs', () => {
  const argv = superviseArgv(job, 7, miniPlan.recovery.stallSeconds, ['python', '-m', 'x']);
  expect(argv.join(' ')).toBe(
    '-m everswin_trainer supervise --job-dir /runs/demo/train --attempt 7 --fence 7 --grace-seconds 45 ' +
      '--stall-seconds startup=900 step=60 validation=1800 saving=600 -- python -m x',
  );
});

test('several machines meet at the leader’s address, and start an equal part of the ranks each', () => {
  const plan = { ...miniPlan, gpus: 8 };
  const meeting = { nodes: 2, endpoint: 'gpu-a:4711', id: 'demo-7', here: { address: 'gpu-b', isLeader: false } };
  const argv = trainArgv(plan, { ...files, weights: '/w.pth', resume: undefined }, job, 'cpu', meeting);
  expect(argv.slice(0, argv.indexOf('train')).join(' ')).toBe(
    '-m torch.distributed.run --nnodes 2 --rdzv-backend c10d --rdzv-endpoint gpu-a:4711 --rdzv-id demo-7 ' +
      '--rdzv-conf is_host=0 --local-addr gpu-b --nproc-per-node 4 --max-restarts 0 -m everswin_trainer',
  );
  expect(trainArgv(plan, { ...files, weights: '/w.pth', resume: undefined }, job, 'cpu').slice(0, 9).join(' ')).toBe(
    '-m torch.distributed.run --standalone --nproc-per-node 8 --max-restarts 0 -m everswin_trainer',
  );
});

test('the supervisor of one of several hosts is told of all of them', () => {
  const together = { run: '/runs/demo/train', jobs: ['/runs/demo/train/hosts/a', '/runs/demo/train/hosts/b'] };
  const argv = superviseArgv(job, 7, miniPlan.recovery.stallSeconds, ['python'], undefined, together);
  expect(argv.slice(argv.indexOf('--run-dir')).join(' ')).toBe(
    '--run-dir /runs/demo/train --hosts /runs/demo/train/hosts/a /runs/demo/train/hosts/b -- python',
  );
});

test('srun starts one launcher on each node, with its part of the GPUs', () => {
  const slurm = { nodes: 2, extra: ['--exclusive'] };
  expect(srunArgv(slurm, 8, 'cuda').join(' ')).toBe(
    'srun --nodes 2 --ntasks-per-node 1 --kill-on-bad-exit=1 --gpus-per-node 4 --exclusive',
  );
  expect(srunArgv(slurm, 8, 'cpu')).not.toContain('--gpus-per-node');
});
