import type { Command } from '@commander-js/extra-typings';
import { addressOption, examples } from './options.ts';

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
}
