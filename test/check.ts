/** `npm run check`: runs all static checks of TypeScript and Python, then lists the failed ones. */
import { execa } from 'execa';
import { projectHome, projectRoot } from './helpers/project.ts';

const trainerEnv = `${projectHome}/tools/trainer-env/bin`;
const ruff = `${trainerEnv}/ruff`;
const checks: [name: string, command: string, argv: string[]][] = [
  ['types', 'tsc', ['--noEmit']],
  ['lint', 'eslint', ['.', '--max-warnings', '0']],
  ['import rules', 'depcruise', ['configs', 'workflows', 'activities', 'workers', 'infra']],
  ['unused code', 'knip', []],
  ['spelling', 'cspell', ['--no-progress', '--no-summary', '.']],
  ['phrases', 'node', ['test/spelling/check-phrases.ts']],
  ['format', 'prettier', ['--check', '--log-level', 'warn', '.']],
  ['trainer versions', `${trainerEnv}/python`, ['trainer/versions.py']],
  ['Python lint', ruff, ['check', '--config', 'trainer/pyproject.toml', 'trainer', 'configs/mmdet', 'test']],
  [
    'Python format',
    ruff,
    ['format', '--check', '--config', 'trainer/pyproject.toml', 'trainer', 'configs/mmdet', 'test'],
  ],
];

const failed: string[] = [];
for (const [name, command, argv] of checks) {
  const { exitCode } = await execa(command, argv, {
    cwd: projectRoot,
    stdio: 'inherit',
    preferLocal: true,
    reject: false,
  });
  console.log(`${exitCode === 0 ? 'ok    ' : 'FAILED'} ${name}`);
  if (exitCode !== 0) failed.push(name);
}
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(', ')}. \`npm run format\` fixes the format.`);
  process.exitCode = 1;
}
