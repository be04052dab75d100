import type { Command } from '@commander-js/extra-typings';
import { addressOption, examples, parseCount, parseSeed } from './options.ts';

const trainingArgument = ['<run>', 'name of a running training'] as const;

/** Adds the commands that watch and control a run. */
export function addControlCommands(program: Command): void {
  program.commandsGroup('Watch and control a run:');
  program
    .command('status')
    .summary('show a run, or list the newest runs')
    .description('Shows a run; without a name, lists the newest runs.')
    .argument('[run]', 'name of a run, or a workflow id such as retrain:shapes')
    .option('--json', 'print JSON for programs')
    .addOption(addressOption())
    .addHelpText('after', examples('everswin status', 'everswin status swin-s-blog'))
    .action(async (run, options) => (await import('../status.ts')).status(run, options));
  program
    .command('logs')
    .summary('print the log of a training or its test')
    .description(
      'Prints the end of the log that a run wrote last on this machine: of its training, or of its test. Needs no server.',
    )
    .argument('<run>', 'name of a run')
    .option('--follow', 'print new lines until Ctrl-C')
    .option('--rank <number>', 'rank whose log to print', parseSeed, 0)
    .option('--lines <count>', 'number of lines', parseCount, 50)
    .addHelpText('after', examples('everswin logs swin-s-blog --follow', 'everswin logs swin-s-blog --rank 3'))
    .action(async (run, options) => (await import('../logs.ts')).logs(run, options));
  program
    .command('pause')
    .summary('save a checkpoint and free the GPUs until resume')
    .description('Pauses a training: saves a checkpoint, stops the trainer and frees its GPUs.')
    .argument(...trainingArgument)
    .addOption(addressOption())
    .addHelpText('after', examples('everswin pause swin-s-blog'))
    .action(async (run, options) => (await import('../control.ts')).pause(run, options));
  program
    .command('resume')
    .summary('continue a paused training')
    .description('Continues a paused training from its checkpoint, or activities that were paused in Temporal.')
    .argument(...trainingArgument)
    .addOption(addressOption())
    .addHelpText('after', examples('everswin resume swin-s-blog'))
    .action(async (run, options) => (await import('../control.ts')).resume(run, options));
  program
    .command('start-over')
    .summary('train from 0 without usable checkpoints')
    .description(
      'Lets a training whose checkpoints are all damaged or gone start from iteration 0. To use a checkpoint that you copied back, run `everswin resume` instead.',
    )
    .argument(...trainingArgument)
    .addOption(addressOption())
    .addHelpText('after', examples('everswin start-over swin-s-blog'))
    .action(async (run, options) => (await import('../control.ts')).startOver(run, options));
  program
    .command('stop-after')
    .summary('end a training after an epoch, test and report')
    .description('Ends a training after an epoch. Validation, test and report follow.')
    .argument(...trainingArgument)
    .argument('<epoch>', 'last epoch to train', parseCount)
    .addOption(addressOption())
    .addHelpText('after', examples('everswin stop-after swin-s-blog 24'))
    .action(async (run, epoch, options) => (await import('../control.ts')).stopAfter(run, epoch, options));
  program
    .command('extend')
    .summary('train to a later epoch than planned')
    .description('Trains to a later epoch. Epochs beyond the plan use the final learning rate of its schedule.')
    .argument(...trainingArgument)
    .argument('<epoch>', 'last epoch to train', parseCount)
    .addOption(addressOption())
    .addHelpText('after', examples('everswin extend swin-s-blog 40'))
    .action(async (run, epoch, options) => (await import('../control.ts')).extend(run, epoch, options));
  program
    .command('checkpoint')
    .summary('write a checkpoint now')
    .description('Writes a checkpoint of a running training now, and waits until it is written.')
    .argument(...trainingArgument)
    .addOption(addressOption())
    .addHelpText('after', examples('everswin checkpoint swin-s-blog'))
    .action(async (run, options) => (await import('../control.ts')).checkpoint(run, options));
  program
    .command('cancel')
    .summary('save a checkpoint and end a run')
    .description(
      'Cancels a run and waits until it has ended. A training saves a checkpoint first; starting it again continues from there.',
    )
    .argument('<run>', 'name of a run, or a workflow id such as compare:demo-sweep')
    .addOption(addressOption())
    .addHelpText('after', examples('everswin cancel swin-s-blog', 'everswin cancel compare:demo-sweep'))
    .action(async (run, options) => (await import('../cancel.ts')).cancel(run, options));
}
