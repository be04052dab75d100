/** docs/reference/commands.md, generated from the definitions of the commands. */
import type { Argument, CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { format } from 'prettier';
import { createProgram } from '../../infra/cli/program.ts';
import { exitCodes } from '../../infra/terminal/program.ts';

const intro = `# Commands

<!-- Generated from infra/cli/commands by \`npm run contract\`. Change the definitions there. -->

After setup, \`export PATH="$PWD/bin:$PATH"\` in the project folder lets you type \`everswin\` in any folder. Paths are
relative to the folder in which you type the command. \`everswin --help\` lists the commands, and
\`everswin COMMAND --help\` shows the options and examples of one.

A command that needs a Temporal server uses \`--address\`, otherwise \`TEMPORAL_ADDRESS\`, otherwise the stack that
\`everswin up\` runs from this folder, otherwise the default profile of Temporal's \`temporal.toml\`. It never uses a
server that you did not name or start. TLS, API key and namespace: [Deploy](../how-to/deploy.md#connect-to-a-temporal-server).`;

const exitCodesSection = `## Exit codes

| code | meaning |
| --- | --- |
| ${exitCodes.success} | success |
| ${exitCodes.failure} | failure, or a fault was found; the message says what happened, why, and what to do |
| ${exitCodes.usage} | wrong usage: unknown command or option, missing or invalid argument |
| ${exitCodes.interrupted} | interrupted with Ctrl-C |`;

/** Returns docs/reference/commands.md: an overview, then each command with its arguments, options and examples. */
export async function generateCommandsPage(): Promise<string> {
  const commands = getSubcommands(createProgram());
  const groups = [...new Set(commands.map((command) => command.helpGroup()))].map((heading) => ({
    title: heading.replace(/:$/, ''),
    members: commands.filter((command) => command.helpGroup() === heading),
  }));
  const text = [
    intro,
    ...groups.map(({ title, members }) => `**${title}**\n\n${formatOverview(members)}`),
    exitCodesSection,
    ...groups.flatMap(({ title, members }) => [`## ${title}`, ...members.map(formatCommand)]),
  ].join('\n\n');
  return format(text, { printWidth: 120, proseWrap: 'always', parser: 'markdown' });
}

/** Returns the commands below a command, without the help command that every command line has. */
const getSubcommands = (command: CommandUnknownOpts): CommandUnknownOpts[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help');

const formatOverview = (commands: CommandUnknownOpts[]): string =>
  formatTable(
    ['command', 'does'],
    commands.map((command) => [`[\`${command.name()}\`](#${command.name()})`, command.summary()]),
  );

function formatCommand(command: CommandUnknownOpts): string {
  const actions = getSubcommands(command);
  const added = [command, ...actions].map(readAddedHelp);
  const examples = added.flatMap((help) => help.examples);
  return [
    `### ${command.name()}`,
    command.description(),
    ...added.flatMap((help) => help.notes),
    ...(actions.length === 0 ? [formatOptions(command)] : [formatActions(actions), formatSharedOptions(actions)]),
    `\`\`\`bash\n${examples.join('\n')}\n\`\`\``,
  ].join('\n\n');
}

const formatOptions = (command: CommandUnknownOpts): string =>
  formatTable(['argument or option', 'meaning'], describeParameters(command));

const formatActions = (actions: CommandUnknownOpts[]): string =>
  formatTable(
    ['action', 'does'],
    actions.map((action) => [
      `\`${[action.name(), ...action.registeredArguments.map(formatArgument)].join(' ')}\``,
      action.description(),
    ]),
  );

/** Returns the table of all parameters of some actions. Parameters of the same name and meaning share a row. */
function formatSharedOptions(actions: CommandUnknownOpts[]): string {
  const rows = new Map<string, { parameter: [string, string]; users: string[] }>();
  for (const action of actions) {
    for (const parameter of describeParameters(action)) {
      const key = parameter.join();
      rows.set(key, { parameter, users: [...(rows.get(key)?.users ?? []), action.name()] });
    }
  }
  return formatTable(
    ['argument or option', 'action', 'meaning'],
    [...rows.values()].map(({ parameter: [name, meaning], users }) => [
      name,
      users.length === actions.length ? 'all' : users.map((user) => `\`${user}\``).join(', '),
      meaning,
    ]),
  );
}

const describeParameters = (command: CommandUnknownOpts): [name: string, meaning: string][] => [
  ...command.registeredArguments.map((argument): [string, string] => [
    `\`${formatArgument(argument)}\``,
    argument.description,
  ]),
  ...command.options.map((option): [string, string] => [`\`${option.flags}\``, formatMeaning(option)]),
];

function formatArgument(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** Returns the description of an option with its choices and its default, which comes last. */
function formatMeaning(option: Option): string {
  const choices = option.argChoices?.map((choice) => `\`${choice}\``).join(' or ');
  const value: unknown = option.defaultValue;
  const hasDefault = typeof value === 'string' || typeof value === 'number';
  const facts = [
    option.description,
    ...(choices === undefined ? [] : [choices]),
    ...(option.mandatory ? ['required'] : []),
    ...(hasDefault ? [`default: \`${value}\``] : []),
  ];
  return [...facts.filter((fact) => !isDefault(fact)), ...facts.filter(isDefault)].join('; ');
}

const isDefault = (fact: string): boolean => fact.startsWith('default: ');

/** Reads what `addHelpText` adds below the help of a command: paragraphs, and examples such as `$ everswin up`. */
function readAddedHelp(command: CommandUnknownOpts): { notes: string[]; examples: string[] } {
  let output = '';
  command.configureOutput({ writeOut: (text) => (output += text) });
  command.outputHelp();
  const lines = output.slice(command.helpInformation().length).split('\n');
  return {
    notes: lines.filter((line) => line !== '' && !line.startsWith(' ') && !/^Examples?:$/.test(line)),
    examples: lines.filter((line) => line.startsWith('  $ ')).map((line) => line.slice('  $ '.length)),
  };
}

export function formatTable(head: string[], rows: string[][]): string {
  if (rows.length === 0) return '';
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}
