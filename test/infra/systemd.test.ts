/** The systemd units of infra/systemd. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { trainerGraceSeconds } from '../../activities/shared/trainer/trainer-argv.ts';
import { projectFile } from '../../workers/env.ts';
import { findProblem } from '../docs/check-command.ts';
import { docsPages, readPage } from '../docs/pages.ts';

const units = ['everswin-control', 'everswin-gpu'];
const pathOf = (unit: string) => projectFile(`infra/systemd/${unit}.service`);

/** Returns the values of each setting, in the order of the file. */
function readUnit(unit: string): Record<string, string[]> {
  const settings: Record<string, string[]> = {};
  for (const line of readFileSync(pathOf(unit), 'utf8').split('\n')) {
    const [, name, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) (settings[name] ??= []).push(value);
  }
  return settings;
}

test.each(units)('%s runs as its own user, restarts, and starts the worker itself', (unit) => {
  const settings = readUnit(unit);
  expect(settings).toMatchObject({
    User: ['everswin'],
    UMask: ['0077'],
    StateDirectoryMode: ['0700'],
    Restart: ['always'],
    EnvironmentFile: ['/etc/everswin/everswin.env'],
    NoNewPrivileges: ['yes'],
  });
  // Not bin/everswin, whose process would get the signals of systemd in place of the worker.
  const [, program = '', argv = ''] = /^\/usr\/bin\/env node (\S+) (.*)$/.exec(settings['ExecStart']?.[0] ?? '') ?? [];
  expect(program).toBe('infra/cli/main.ts');
  const command = `everswin ${argv.replace('$EVERSWIN_GPU_OPTIONS', '--drain')}`;
  expect(findProblem({ text: command, isProse: false })).toBeUndefined();
});

test('everswin.env sets variables that the workers read and the documentation describes', () => {
  const lines = readFileSync(projectFile('infra/systemd/everswin.env'), 'utf8').split('\n');
  const names = lines.flatMap((line) => /^#?([A-Z]\w+)=/.exec(line)?.slice(1) ?? []);
  const documented = docsPages.map(readPage).join();
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(documented))).toEqual([]);
});

test('a restart of the GPU worker leaves its trainer running, with its files', () => {
  const settings = readUnit('everswin-gpu');
  expect(settings['KillMode']).toEqual(['process']);
  expect(settings['OOMPolicy']).toEqual(['continue']);
  // systemd removes these when a service stops.
  for (const name of ['PrivateTmp', 'RuntimeDirectory', 'RemoveIPC', 'DynamicUser'])
    expect(settings).not.toHaveProperty(name);
  expect(settings['Environment']).toContain('TMPDIR=/var/lib/everswin/tmp');
});

test('systemd gives a GPU worker that drains the time for a save and an upload', () => {
  const [seconds] = readUnit('everswin-gpu')['TimeoutStopSec'] ?? [];
  expect(Number(seconds)).toBeGreaterThan(2 * trainerGraceSeconds);
});

test.for(units)('systemd accepts %s and rates its exposure at 4.0 or less', (unit, { skip }) => {
  const analyze = (...argv: string[]) => spawnSync('systemd-analyze', [...argv, pathOf(unit)], { encoding: 'utf8' });
  const verified = analyze('verify');
  if (verified.error) skip('systemd-analyze is not installed: apt-get install systemd');
  const complaints = verified.stderr.split('\n').filter((line) => line.includes(unit));
  expect([verified.status, complaints]).toEqual([0, []]);
  const { stdout } = analyze('security', '--offline=true');
  expect(Number(/Overall exposure level for .*: ([\d.]+)/.exec(stdout)?.[1])).toBeLessThanOrEqual(4);
});
