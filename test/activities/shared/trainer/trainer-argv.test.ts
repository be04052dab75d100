import { expect, test } from 'vitest';
import { srunArgv, superviseArgv, testArgv, trainArgv } from '../../../../activities/shared/trainer/trainer-argv.ts';
import { jobFolder } from '../../../../configs/paths.ts';
import type { RunPlan } from '../../../../configs/schema/index.ts';
import { startingWeights } from '../../../../configs/schema/plan-weights.ts';
import { miniPlan } from '../../../helpers/mini-run.ts';

const job = jobFolder('/runs/demo/train');
const files = { plan: '/runs/demo/plan.json', recipe: '/recipes/mini.py', data: '/data' };

test('trainArgv runs one rank per GPU through torchrun without restarts', () => {
  const argv = trainArgv({ ...miniPlan, gpus: 4 }, { ...files, weights: '/w.pth', resume: undefined }, job, 'cuda');
  expect(argv.join(' ')).toBe(
    '-m torch.distributed.run --standalone --nproc-per-node 4 --max-restarts 0 -m everswin_trainer train ' +
      '--plan /runs/demo/plan.json --recipe /recipes/mini.py --data /data --job-dir /runs/demo/train --device cuda ' +
      '--weights /w.pth',
  );
});

test('trainArgv names the checkpoint to resume from, and its plan if it differs', () => {
  const argv = (planHash: string | undefined) =>
    trainArgv(miniPlan, { ...files, weights: '/w.pth', resume: { path: '/c/e001.pth', planHash } }, job, 'cpu');
  expect(argv(undefined).slice(-2)).toEqual(['--resume', '/c/e001.pth']);
  expect(argv('abc').slice(-4)).toEqual(['--resume', '/c/e001.pth', '--resume-plan', 'abc']);
});

test('trainArgv initializes from a detector, and testArgv tests the weights of an evaluation', () => {
  const { source } = startingWeights(miniPlan.weights);
  const plan = { ...miniPlan, weights: { detector: { id: 'released', source } } };
  const train = (of: RunPlan) => trainArgv(of, { ...files, weights: '/w.safetensors', resume: undefined }, job, 'cpu');
  expect(train(plan).slice(-2)).toEqual(['--init-detector', '/w.safetensors']);
  expect(train(miniPlan).slice(-2)).toEqual(['--weights', '/w.safetensors']);
  const tested = (of: RunPlan) => testArgv(of, { ...files, tested: '/t' }, job, 'cpu', 1).slice(-2);
  expect(tested(plan)).toEqual(['--checkpoint', '/t']);
  expect(tested({ ...plan, epochs: 0 })).toEqual(['--weights', '/t']);
});

test('a path with spaces and quotes stays one argument', () => {
  const odd = `/data/it's "mine"; rm -rf`;
  expect(testArgv(miniPlan, { ...files, data: odd, tested: '/c.pth' }, job, 'cpu', 1)).toContain(odd);
});

test('superviseArgv passes fence, stall limits and a grace period longer than that of torchrun', () => {
  const argv = superviseArgv(job, 7, miniPlan.recovery.stallSeconds, ['python', '-m', 'x']);
  expect(argv.join(' ')).toBe(
    '-m everswin_trainer supervise --job-dir /runs/demo/train --attempt 7 --fence 7 --grace-seconds 45 ' +
      '--stall-seconds startup=900 step=60 validation=1800 saving=600 -- python -m x',
  );
});

test('torchrun on several hosts uses the leader as rendezvous and an equal share of ranks', () => {
  const plan = { ...miniPlan, gpus: 8 };
  const rendezvous = { nodes: 2, endpoint: 'gpu-a:4711', id: 'demo-7', here: { address: 'gpu-b', isLeader: false } };
  const argv = trainArgv(plan, { ...files, weights: '/w.pth', resume: undefined }, job, 'cpu', rendezvous);
  expect(argv.slice(0, argv.indexOf('train')).join(' ')).toBe(
    '-m torch.distributed.run --nnodes 2 --rdzv-backend c10d --rdzv-endpoint gpu-a:4711 --rdzv-id demo-7 ' +
      '--rdzv-conf is_host=0 --local-addr gpu-b --nproc-per-node 4 --max-restarts 0 -m everswin_trainer',
  );
  expect(trainArgv(plan, { ...files, weights: '/w.pth', resume: undefined }, job, 'cpu').slice(0, 9).join(' ')).toBe(
    '-m torch.distributed.run --standalone --nproc-per-node 8 --max-restarts 0 -m everswin_trainer',
  );
});

test('superviseArgv passes the jobs of all hosts', () => {
  const hostGroup = { run: '/runs/demo/train', jobs: ['/runs/demo/train/hosts/a', '/runs/demo/train/hosts/b'] };
  const argv = superviseArgv(job, 7, miniPlan.recovery.stallSeconds, ['python'], undefined, hostGroup);
  expect(argv.slice(argv.indexOf('--run-dir')).join(' ')).toBe(
    '--run-dir /runs/demo/train --hosts /runs/demo/train/hosts/a /runs/demo/train/hosts/b -- python',
  );
});

test('srunArgv starts one launcher per node with its share of the GPUs', () => {
  const slurm = { nodes: 2, extra: ['--exclusive'] };
  expect(srunArgv(slurm, 8, 'cuda').join(' ')).toBe(
    'srun --nodes 2 --ntasks-per-node 1 --kill-on-bad-exit=1 --gpus-per-node 4 --exclusive',
  );
  expect(srunArgv(slurm, 8, 'cpu')).not.toContain('--gpus-per-node');
});
