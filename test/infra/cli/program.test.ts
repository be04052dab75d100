/** Runs the command line as a user does, and checks output and exit codes. */
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { createProgram } from '../../../infra/cli/program.ts';
import { projectRoot } from '../../helpers/project.ts';

const everswin = (...argv: string[]) =>
  execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, ...argv], {
    // A home without a stack.
    env: { EVERSWIN_HOME: '/nowhere/everswin', TEMPORAL_ADDRESS: undefined },
    reject: false,
    all: true,
  });

/** Lists a command and all below it. */
const withDescendants = (command: CommandUnknownOpts): CommandUnknownOpts[] => [
  command,
  ...command.commands.flatMap(withDescendants),
];

const pathOf = (command: CommandUnknownOpts): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;

const program = createProgram();
const commands = withDescendants(program).filter((command) => command !== program);

describe('everswin --help', () => {
  test('lists each command in one line of a terminal with 80 columns, by task', async () => {
    const { stdout, exitCode } = await everswin('--help');
    expect(exitCode).toBe(0);
    const lines = stdout.split('\n');
    for (const command of program.commands) {
      const line = lines.find((one) => one.trim().startsWith(`${command.name()} `)) ?? '';
      expect(line, command.name()).toContain(command.summary());
      expect(line.length, line).toBeLessThanOrEqual(80);
    }
    expect(lines.filter((line) => /^\S.*:$/.test(line))).toEqual([
      'Options:',
      'Start here:',
      'Train and test:',
      'Watch and control a run:',
      'Results and models:',
      'Machine:',
    ]);
    expect(stdout).toContain('Exit codes: 0 success, 1 failure');
  });

  test.each(commands.map((command) => [pathOf(command), command] as const))(
    '%s has a description, and an example that starts with its name',
    (path, command) => {
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      expect(command.description()).not.toBe('');
      expect(help).toContain(`Usage: ${path} `);
      if (command.commands.length === 0) expect(help).toContain(`  $ ${path}`);
    },
  );
});

// cspell:ignore strat promot fersh pauze aply
test.each([
  [['strat'], 2, "unknown command 'strat'\n(Did you mean start?)\n`everswin --help` lists the commands."],
  [['help', 'pauze'], 2, "unknown command 'pauze'\n(Did you mean pause?)\n`everswin --help` lists the commands."],
  [['help', 'schedule', 'aply'], 2, "unknown command 'aply'\n(Did you mean apply?)\n`everswin schedule --help`"],
  [['schedule', 'apply', 'a.json', '--every', '5x'], 2, 'Expected a number and a unit (s, m, h, d or w)'],
  [['schedule', 'apply', 'a.json', '--cron', 'bad'], 2, "Expected five fields in quotes, such as '0 3 * * 1'"],
  [['schedule', 'apply', 'a.json', '--time-zone', 'Mars'], 2, 'Expected an IANA time zone, such as Europe/Berlin.'],
  [['status', '--address', 'lab:99999'], 2, 'a port from 1 to 65535, such as 127.0.0.1:7233.'],
  [['models', 'promot'], 2, "unknown command 'promot'\n(Did you mean promote?)"],
  [['start', '--fersh', 'x.json'], 2, "unknown option '--fersh'\n(Did you mean --fresh?)\n`everswin start --help`"],
  [['start'], 2, "missing required argument 'file'"],
  [['start', 'a.json', 'b.json'], 2, 'too many arguments'],
  [['up', '--device', 'tpu'], 2, 'Allowed choices are cpu, cuda'],
  [['gpu-check', '--iterations', '0'], 2, 'Expected a whole number, 1 or more.'],
  [['compare', 'a'], 2, 'Expected 2 to 5 runs, got 1.'],
  [['compare', 'no-run', 'none'], 2, 'There is no run "no-run"'],
  [['store', 'run', 'no-run'], 2, 'There is no run "no-run"'],
  [['start', 'gone.json'], 1, 'Cannot read gone.json: the file does not exist.'],
  [['plan', '.'], 1, 'Cannot read .: it is a folder.'],
  [['report', 'gone.json', '--out', 'page.html'], 1, 'gone.json'],
  [['status'], 1, 'No stack is running in /nowhere/everswin. Start one in another terminal: everswin up.'],
  [['up', '--home', '/proc/nowhere/home'], 1, 'Cannot create /proc/nowhere/home (ENOENT).'],
  [['up', '--home', '/dev/null/home'], 1, 'Cannot create /dev/null/home (ENOTDIR).'],
  [['worker', 'gpu'], 1, 'No stack is running in /nowhere/everswin.'],
] as const)('everswin %j exits with %i and says why, without a stack trace', async (argv, code, message) => {
  const { exitCode, stderr, all } = await everswin(...argv);
  expect([exitCode, stderr]).toEqual([code, expect.stringContaining(message)]);
  expect(all).not.toMatch(/\n\s+at |node:internal/);
});
