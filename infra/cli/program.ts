import { Command, Help, type CommandUnknownOpts } from '@commander-js/extra-typings';
import packageJson from '../../package.json' with { type: 'json' };
import { findSimilar } from '../../configs/schema/did-you-mean.ts';
import { addControlCommands } from './commands/control-commands.ts';
import { addMachineCommands } from './commands/machine-commands.ts';
import { addModelCommands } from './commands/model-commands.ts';
import { examples } from './commands/options.ts';
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
  program
    .command('help')
    .summary('show the help of a command')
    .description('Shows the help of a command.')
    .argument('[command...]', 'name of the command, and of its action')
    .addHelpText('after', examples('everswin help start', 'everswin help schedule apply'))
    .action((names) => showHelp(program, names));
  nameHelpAfterErrors(program, 'everswin');
  return program;
}

/** Shows the help of a command. Commander's own help command ignores a name that it does not know. */
function showHelp(command: CommandUnknownOpts, [name, ...actions]: string[]): void {
  if (name === undefined) return command.help();
  const child = command.commands.find((one) => one.name() === name);
  if (child !== undefined) return showHelp(child, actions);
  const similar = findSimilar(
    name,
    command.commands.map((one) => one.name()),
  );
  const suggestion = similar === undefined ? '' : `\n(Did you mean ${similar}?)`;
  return command.error(`error: unknown command '${name}'${suggestion}`, { code: 'commander.unknownCommand' });
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
