import { describe, expect, test } from 'vitest';
import { findProblem } from './check-command.ts';
import { findInMarkdown, findInSource, type NamedCommand } from './find-commands.ts';
import { docsPages, listFiles, readPage } from './pages.ts';

const listProblems = (commands: NamedCommand[]): string[] =>
  commands.flatMap((command) => {
    const problem = findProblem(command);
    return problem === undefined ? [] : [`${command.text}: ${problem}`];
  });

describe('commands in the documentation can be typed', () => {
  test.each(['README.md', 'AGENTS.md', 'test/bench/README.md', ...docsPages])('%s', (path) => {
    expect(listProblems(findInMarkdown(readPage(path)))).toEqual([]);
  });

  test('newest section of CHANGELOG.md', () => {
    const [, newest = ''] = readPage('CHANGELOG.md').split(/^## /m);
    expect(listProblems(findInMarkdown(newest))).toEqual([]);
  });
});

test.each(['configs', 'activities', 'workflows', 'workers', 'infra'])(
  'commands in messages and comments of %s can be typed',
  (folder) => {
    const problems = [];
    for (const path of listFiles(folder, /\.(ts|mjs|json)$/)) {
      problems.push(...listProblems(findInSource(readPage(path))).map((problem) => `${path}: ${problem}`));
    }
    expect(problems).toEqual([]);
  },
);

/** Returns the problems of a Markdown page with one bash block. */
const checkBlock = (script: string): string[] => listProblems(findInMarkdown(`\`\`\`bash\n${script}\n\`\`\`\n`));

test.each([
  ['a command that does not exist', 'everswin begin configs/runs/demo.json', /unknown command 'begin'/],
  ['an action that does not exist', 'everswin models lst', /unknown command 'lst'/],
  ['an option of another command', 'everswin up --crash', /unknown option '--crash'/],
  ['an optional option that does not exist', 'everswin plan FILE [--gpu cpu|cuda]', /unknown option '--gpu'/],
  ['one impossible value of two', 'everswin plan FILE [--device cpu|gpu]', /'gpu' is invalid/],
  ['a missing argument', 'everswin start   # starts the run', /missing required argument 'file'/],
  ['a missing action', 'everswin schedule', /a command is missing/],
  ['a missing mandatory option', 'everswin models promote MODEL VERSION', /required option '--why <text>'/],
  ['an argument too many', 'EVERSWIN_HOST=a everswin status <run> <other>', /too many arguments/],
  ['a file that does not exist', 'everswin start configs/runs/missing.json', /missing.json does not exist/],
  ['a script that package.json lacks', 'cd everswin && npm run start', /no script start/],
  ['options that npm does not pass on', 'npm run demo --crash', /only after --/],
  ['an option that a script does not accept', 'npm run demo -- --crush', /unknown option '--crush'/],
  [
    'an update that no workflow has',
    'temporal workflow update execute --name halt --workflow-id train:a',
    /--name halt/,
  ],
  ['a workflow that no worker runs', 'temporal workflow start \\\n  --type trainModel', /--type trainModel/],
  ['a queue that no worker polls', 'temporal workflow start --task-queue gpu', /--task-queue gpu/],
  ['an unknown Temporal command', 'temporal workflow pause --workflow-id train:a', /temporal workflow pause/],
  ['a program that does not exist', 'node --import tsx workers/gpus.ts', /workers\/gpus.ts does not exist/],
])('check rejects %s', (_, script, problem) => {
  expect(checkBlock(script)).toEqual([expect.stringMatching(problem)]);
});

test('check accepts complete commands, their short forms and other programs', () => {
  const script = [
    'cat .everswin/stack/stack.json   # shows the pids',
    "everswin schedule apply FILE [--every 24h | --cron '0 3 * * 1'] [--time-zone Europe/Berlin]",
    'everswin models promote MODEL VERSION --why "#1 on night images"',
    'TEMPORAL_ADDRESS=… everswin worker gpu',
    'everswin COMMAND --help',
    'everswin schedule ACTION shapes',
    'everswin compare A B C',
    'npm run demo -- --crash',
    'npm test -- test/workflows',
  ];
  expect(checkBlock(script.join('\n'))).toEqual([]);
  expect(listProblems(findInMarkdown('Use `everswin start …`, `everswin retrain` or\n`everswin\nschedule`.'))).toEqual(
    [],
  );
});

test('check finds commands in prose and in messages', () => {
  const page = 'Type `everswin begin FILE` or `everswin schedule\napply --weekly`. Write `everswin needs Python`.';
  expect(listProblems(findInMarkdown(page))).toHaveLength(2);
  const source =
    "fail(`Run \\`everswin model show ${model}\\``); log('everswin cancel'); hint = `everswin up ${a ?? `b`}`;";
  expect(findInSource(source).map(({ text }) => text)).toEqual([
    'everswin model show NAME',
    'everswin cancel',
    'everswin up  …',
  ]);
});
