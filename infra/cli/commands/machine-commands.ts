import { Option, type Command } from '@commander-js/extra-typings';
import { addressOption, deviceOption, examples, parseCount, parseUrl } from './options.ts';

/** Adds the commands that concern a machine: its speed, its workers, its faults. */
export function addMachineCommands(program: Command): void {
  program.commandsGroup('Machine:');
  program
    .command('gpu-check')
    .summary('measure the speed switches of a recipe here')
    .description('Measures the speed switches of a recipe on this machine, and projects the hours of a training.')
    .option('--recipe <name>', 'recipe of configs/mmdet', 'swin-s_blog')
    .addOption(deviceOption())
    .option('--iterations <steps>', 'steps per variant in each of three rounds', parseCount, 60)
    .option('--minutes <count>', 'end after this time, with fewer steps if necessary', parseCount, 6)
    .option('--gpus <count>', 'GPUs to measure on', parseCount, 1)
    .option('--for-gpus <count>', 'GPUs of the projected training', parseCount, 4)
    .option('--batch-per-gpu <images>', "default: each GPU's share of the recipe's batch", parseCount)
    .option('--out <file>', 'all results as JSON', 'gpu-check.json')
    .option('--bundle <folder>', 'write a folder that runs the check on a GPU machine without internet and Node')
    .addOption(new Option('--read <file>', 'print results that another machine wrote').conflicts('bundle'))
    .addHelpText(
      'after',
      examples(
        'everswin gpu-check',
        'everswin gpu-check --recipe swin-t_paper --gpus 4',
        'everswin gpu-check --bundle gpu-check-bundle',
        'everswin gpu-check --read gpu-check.json',
      ),
    )
    .action(async (options) => (await import('../gpu-check.ts')).gpuCheck(options));
  addWorkerCommands(program);
  addNamespaceCommands(program);
  program
    .command('codec')
    .summary('decrypt payloads for the Temporal UI and CLI')
    .description(
      'Runs a codec server on 127.0.0.1 until Ctrl-C. It decrypts payloads for the Temporal UI in a browser of this machine, and for the Temporal CLI. It prints the address to enter there, which contains a token.',
    )
    .option('--port <number>', 'port', parseCount, 8237)
    .option('--ui <url>', 'address of the Temporal UI (default: EVERSWIN_UI_URL, else that of the stack)', parseUrl)
    .addOption(addressOption())
    .addHelpText('after', examples('everswin codec', 'everswin codec --ui https://temporal.lab'))
    .action(async (options) => (await import('../codec.ts')).codec(options));
  program
    .command('chaos')
    .summary('inject faults at random moments, compare results')
    .description(
      'Injects faults into trainings at seeded moments, and compares each run with an undisturbed one. The targets `rank`, `supervisor`, `trainer`, `worker`, `server` and `machine` are killed. `freeze` stops a process for a while, `emfile` and `enomem` leave it no open files or no memory, `read-only` and `disk-full` concern run folder, artifact store and database, `clock` shifts the time of a process by up to a day, and `network` separates a worker from the server. `--scenario soak` kills about 20 workers and servers during one long training. `--scenario freeze` freezes the GPU worker for 5 to 60 seconds, as a paused VM does.',
    )
    .addOption(
      new Option(
        '--nightly',
        'run the plans that are too long for the tests: kills, gentler faults, MMDetection, a soak',
      ).conflicts(['seed', 'runs', 'only', 'faults', 'target', 'subject', 'ranks', 'scenario', 'json']),
    )
    .option('--seed <text>', 'seed of the moments (default: from the clock)')
    .option('--runs <count>', 'number of runs (default: 20)', parseCount)
    .option('--only <run>', 'run only this number, to reproduce a failure', parseCount)
    .option('--faults <count>', 'faults per run (default: 1, soak: 20)', parseCount)
    .option('--target <targets>', 'comma-separated targets, or `kills` for the processes to kill (default: all)')
    .addOption(
      new Option('--subject <subject>', 'fake trainer or MMDetection (default: mini)').choices([
        'mini',
        'real',
        'real-standby',
      ]),
    )
    .option('--ranks <count>', 'ranks of the training (default: 1)', parseCount)
    .addOption(new Option('--scenario <scenario>', 'default: runs').choices(['runs', 'soak', 'freeze']))
    .option('--json <file>', 'write the results to this file')
    .addHelpText('after', examples('everswin chaos --seed 7 --runs 5 --faults 3', 'everswin chaos --nightly'))
    .action(async (options) => (await import('../chaos.ts')).chaos(options));
  program
    .command('simulate')
    .summary('simulate thousands of fault schedules')
    .description(
      'Runs the workflows and the training activities against a simulated server and machine, under a virtual clock. Each seed is one schedule of faults and requests. Prints the shortest schedule of each violation.',
    )
    .option('--seeds <count>', 'number of schedules (default: 1000)', parseCount)
    .option('--from <seed>', 'first seed (default: 1)', parseCount)
    .option('--jobs <count>', 'number of processes (default: 2)', parseCount)
    .option('--seed <seed>', 'repeat this schedule only', parseCount)
    .option('--only <events>', 'with --seed: keep only these faults and requests, such as 2,5')
    .option('--trace', 'with --seed: print what happens')
    .option('--defects', 'plant each known defect and count the seeds until it is found')
    .option('--defect <name>', 'plant this defect only')
    .option('--json <file>', 'write the results to this file')
    .addHelpText(
      'after',
      examples('everswin simulate --seeds 100000', 'everswin simulate --seed 217 --only 3,4 --trace'),
    )
    .action(async (options) => (await import('../simulate.ts')).simulate(options));
}

function addNamespaceCommands(program: Command): void {
  const group = program
    .command('namespace')
    .usage('ACTION [options]')
    .helpCommand(false)
    .summary('prepare the namespace of a Temporal server')
    .description('Manages the namespace of a Temporal server. `everswin up` prepares that of its own server itself.');
  group
    .command('prepare')
    .description('register search attributes, check retention and permissions; can be repeated')
    .option('--create', 'create the namespace if it does not exist')
    .option('--retention <days>', 'keep finished workflows at least that long', parseCount)
    .addOption(addressOption())
    .addHelpText('after', examples('everswin namespace prepare --create --retention 365'))
    .action(async (options) => (await import('../namespace.ts')).prepare(options));
}

function addWorkerCommands(program: Command): void {
  const worker = program
    .command('worker')
    .usage('ACTION [options]')
    .helpCommand(false)
    .summary('run a control or GPU worker for a Temporal server')
    .description('Runs a worker until Ctrl-C. `everswin up` starts both kinds itself.');
  worker
    .command('control')
    .description('run workflows, downloads and reports')
    .addOption(addressOption())
    .addHelpText('after', examples('everswin worker control --address temporal.lab:7233'))
    .action(async (options) => (await import('../worker.ts')).controlWorker(options));
  worker
    .command('gpu')
    .description('run trainings and tests on this machine')
    .addOption(deviceOption())
    .option('--drain', 'on SIGTERM, let trainings save and stop first; without it, they continue for the next worker')
    .addOption(addressOption())
    .addHelpText('after', examples('everswin worker gpu --address temporal.lab:7233', 'everswin worker gpu --drain'))
    .action(async (options) => (await import('../worker.ts')).gpuWorker(options));
}
