import { Command, Help, type CommandUnknownOpts } from '@commander-js/extra-typings';
import packageJson from '../../package.json' with { type: 'json' };
import { addControlCommands } from './commands/control-commands.ts';
import { addMachineCommands } from './commands/machine-commands.ts';
import { addModelCommands } from './commands/model-commands.ts';
import { addRunCommands } from './commands/run-commands.ts';
import { addStackCommands } from './commands/stack-commands.ts';

const exitCodesHelp = `
Exit codes: 0 success, 1 failure or a fault was found, 2 wrong usage, 130 interrupted.
\`everswin COMMAND --help\` shows options and examples of a command.`;

/** Creates the command line of everswin. The code of a command is loaded only when it runs. */
export function createProgram(): Command {
  const program = new Command('everswin')
    .description('Trains Swin Transformer + Cascade Mask R-CNN on COCO with durable Temporal workflows.')
    .usage('COMMAND [options]')
    .version(packageJson.version)
    .exitOverride()
    .configureHelp({ subcommandTerm: formatTerm })
    .addHelpText('after', exitCodesHelp);
  addStackCommands(program);
  addRunCommands(program);
  addControlCommands(program);
  addModelCommands(program);
  addMachineCommands(program);
  program.helpCommand('help [command]', 'show the help of a command');
  nameHelpAfterErrors(program, 'everswin');
  return program;
}

/** Omits `[options]`, which would leave too little room for the summaries. */
const formatTerm = (command: CommandUnknownOpts): string =>
  new Help().subcommandTerm(command).replace(' [options]', '');

/** Ends the error of a wrong call with the help command for exactly that command. */
function nameHelpAfterErrors(command: CommandUnknownOpts, path: string): void {
  command.showHelpAfterError(
    `\`${path} --help\` ${command.commands.length > 0 ? 'lists the commands.' : 'shows how to use it.'}`,
  );
  for (const child of command.commands) nameHelpAfterErrors(child, `${path} ${child.name()}`);
}
