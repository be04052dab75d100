/** Checks a command against the definitions of its program. */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CommanderError, type CommandUnknownOpts } from '@commander-js/extra-typings';
import {
  approvalUpdateNames,
  controlQueryName,
  statusQueryName,
  taskQueues,
  updateNames,
  workflowTypes,
} from '../../configs/names.ts';
import { createProgram } from '../../infra/cli/program.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { projectFile } from '../../workers/env.ts';
import type { NamedCommand } from './find-commands.ts';

const ellipsis = '…';
const isPlaceholder = (word: string): boolean => /^(?:[A-Z][A-Z0-9_]*|<[^>]+>)$/.test(word);

/** Returns what is wrong with a command, or undefined. */
export function findProblem({ text, isProse }: NamedCommand): string | undefined {
  for (const words of expandAlternatives(splitWords(text))) {
    const problem = findMissingFile(words) ?? checkWords(words, isProse);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function checkWords(words: string[], isProse: boolean): string | undefined {
  const [program, ...args] = words;
  if (program === 'everswin') return checkEverswin(args, isProse);
  if (program === 'npm') return checkNpm(args, isProse);
  if (program === 'temporal') return checkTemporal(args);
  return undefined;
}

/** Splits a command into words without their quotes. Omits environment variables before the program. */
function splitWords(text: string): string[] {
  const words = text.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [];
  return words.slice(words.findIndex((word) => !/^[A-Z_]+=/.test(word)));
}

/**
 * Returns the commands that brackets and bars stand for: `plan [--device cpu|cuda]` is `plan`, `plan --device cpu` and
 * `plan --device cuda`. Each alternative occurs in at least one of them.
 */
function expandAlternatives(words: string[]): string[][] {
  const parts: string[][][] = [];
  let group: string[][] | undefined;
  for (const word of words) {
    const opens = word.startsWith('[') && group === undefined;
    const closes = word.endsWith(']') && (opens || group !== undefined);
    const choices = word.slice(opens ? 1 : 0, closes ? -1 : undefined).split(/(?<=\w)\|(?=\w)/);
    if (opens) group = [[], []];
    if (group === undefined) parts.push(choices.map((choice) => [choice]));
    else if (word === '|') group.push([]);
    else {
      const started = group.pop() ?? [];
      group.push(...choices.map((choice) => [...started, choice]));
    }
    if (closes && group !== undefined) {
      parts.push(group);
      group = undefined;
    }
  }
  const count = Math.max(...parts.map((alternatives) => alternatives.length));
  return Array.from({ length: count }, (_, index) =>
    parts.flatMap((alternatives) => alternatives[index] ?? alternatives.at(-1) ?? []).map(unquote),
  );
}

const unquote = (word: string): string => word.replace(/'([^']*)'|"([^"]*)"/g, '$1$2');

function findMissingFile(words: string[]): string | undefined {
  const paths = words.filter((word) =>
    /^(?:configs|docs|infra|test|trainer|workers|workflows|activities)\/\S/.test(word),
  );
  const missing = paths.find((path) => !existsSync(projectFile(path)));
  return missing === undefined ? undefined : `${missing} does not exist`;
}

/** Parses a command with the command line itself, which runs nothing here. */
function checkEverswin(args: string[], isProse: boolean): string | undefined {
  const program = createProgram();
  const [command, path] = findCommand(program, args);
  const words = args.filter((word) => word !== '--help');
  const namesOnlyCommand = words.length === path.length;
  // In `everswin schedule ACTION MODEL`, the first placeholder stands for any action.
  const isAnyCommand = command.commands.length > 0 && isPlaceholder(words[path.length] ?? '');
  const end = isAnyCommand ? path.length : words.indexOf(ellipsis);
  const isPartial = end >= 0 || words.length < args.length || (isProse && namesOnlyCommand);
  silence(program, isPartial);
  // A number is valid for every argument and almost every option, so it replaces placeholders.
  const complete = words.slice(0, end < 0 ? undefined : end).map((word) => (isPlaceholder(word) ? '1' : word));
  try {
    program.parse(complete, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.help') return isPartial ? undefined : `${args.join(' ')}: a command is missing`;
    if (error.code !== 'commander.version') return error.message;
  }
  return undefined;
}

/** Returns the command that the first words name, and these words: `models`, `list`. */
function findCommand(command: CommandUnknownOpts, words: string[]): [CommandUnknownOpts, path: string[]] {
  const [name = '', ...rest] = words;
  const child = command.commands.find((candidate) => candidate.name() === name);
  if (child === undefined) return [command, []];
  const [found, path] = findCommand(child, rest);
  return [found, [name, ...path]];
}

/** Replaces actions and output of a command and those below it. A partial command may omit what is mandatory. */
function silence(command: CommandUnknownOpts, isPartial: boolean): void {
  command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  for (const child of command.commands) silence(child, isPartial);
  if (command.commands.length === 0) command.action(() => undefined);
  if (!isPartial) return;
  for (const argument of command.registeredArguments) argument.argOptional();
  for (const option of command.options) option.makeOptionMandatory(false);
}

function checkNpm(args: string[], isProse: boolean): string | undefined {
  const [script = '', ...rest] = args[0] === 'run' ? args.slice(1) : args;
  if (script === ellipsis || isPlaceholder(script)) return undefined;
  const scripts: Partial<Record<string, string>> = packageJson.scripts;
  const command = scripts[script];
  if (command === undefined) return `package.json has no script ${script}`;
  const [separator, ...passed] = rest;
  if (separator !== undefined && separator !== '--') return `npm passes ${separator} to ${script} only after --`;
  const [, everswin] = / infra\/cli\/main\.ts (.*)/.exec(command) ?? [];
  return everswin === undefined ? undefined : checkEverswin([...everswin.split(' '), ...passed], isProse);
}

type Check = (value: string) => boolean;
const any: Check = () => true;
const oneOf =
  (names: object): Check =>
  (value) =>
    Object.values(names).includes(value);
const workflowIdOption = { 'workflow-id': (value: string) => /^(?:train|evaluate|retrain|compare):/.test(value) };

/** Commands of the Temporal CLI that everswin mentions, with the values that their options accept. */
const temporalCommands: Record<string, Record<string, Check>> = {
  'workflow start': {
    ...workflowIdOption,
    type: oneOf(workflowTypes),
    'task-queue': oneOf(taskQueues),
    input: any,
    'input-file': any,
  },
  'workflow list': { query: any },
  'workflow query': { ...workflowIdOption, type: oneOf([statusQueryName, controlQueryName]) },
  'workflow cancel': workflowIdOption,
  'workflow terminate': workflowIdOption,
  'activity pause': { ...workflowIdOption, 'activity-id': any, reason: any },
  'workflow update execute': {
    ...workflowIdOption,
    name: oneOf([...Object.values(updateNames), ...Object.values(approvalUpdateNames)]),
    input: any,
  },
  'workflow update-options': { ...workflowIdOption, 'versioning-override-behavior': oneOf(['auto_upgrade']) },
  'worker list': { query: any },
  'worker deployment set-current-version': { 'deployment-name': any, 'build-id': any },
  'operator search-attribute create': { name: any, type: any },
};

function checkTemporal(args: string[]): string | undefined {
  const firstOption = args.findIndex((word) => word.startsWith('--') || word === ellipsis);
  const name = args.slice(0, firstOption < 0 ? undefined : firstOption).join(' ');
  const known = temporalCommands[name];
  if (known === undefined) return `temporal ${name} is not among the commands that everswin mentions`;
  const checks: Record<string, Check> = { ...known, address: any, namespace: any };
  try {
    const { values } = parseArgs({
      args: args.slice(firstOption < 0 ? args.length : firstOption).filter((word) => word !== ellipsis),
      options: Object.fromEntries(Object.keys(checks).map((option) => [option, { type: 'string' as const }])),
    });
    const wrong = Object.entries(values).find(
      ([option, value]) => !isPlaceholder(value ?? '') && !checks[option]?.(value ?? ''),
    );
    return wrong && `--${wrong[0]} ${wrong[1] ?? ''}: everswin has no such name`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
