import type { Command } from '@commander-js/extra-typings';
import { deviceOption, examples } from './options.ts';

const homeOption = ['--home <folder>', 'data and runs (default: EVERSWIN_HOME, else .everswin)'] as const;
const s3Option = ['--s3', 'also start an S3 server for artifacts'] as const;

/** Adds the commands that start everything on this machine. */
export function addStackCommands(program: Command): void {
  program.commandsGroup('Start here:');
  program
    .command('demo')
    .summary('run the whole pipeline on a miniature COCO')
    .description('Runs the whole pipeline on a miniature COCO: download, train 10 epochs, test, report. Needs no GPU.')
    .option('--crash', 'kill three processes during training')
    .option('--retrain', 'show automatic retraining, promotion and rollback')
    .option(...s3Option)
    .option(...homeOption)
    .addHelpText('after', examples('everswin demo', 'everswin demo --crash'))
    .action(async (options) => (await import('../demo.ts')).demo(options));
  program
    .command('up')
    .summary('start Temporal server, workers and pages here')
    .description(
      'Starts the stack of this folder: Temporal server, control worker, GPU worker and web pages. Resumes unfinished runs. Runs until Ctrl-C, which stops everything; trainers save a checkpoint first.',
    )
    .addOption(deviceOption())
    .option(...s3Option)
    .option('--metrics', 'also serve Prometheus metrics of both workers')
    .option(...homeOption)
    .addHelpText('after', examples('everswin up', 'everswin up --device cpu --s3'))
    .action(async (options) => (await import('../up.ts')).up(options));
}
