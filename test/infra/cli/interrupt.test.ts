/** Ctrl-C of the commands that start a program of the trainer and wait for it. */
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { processStartTicks } from '../../../activities/shared/trainer/process-identity.ts';
import { homeFolders, runFolder } from '../../../configs/paths.ts';
import { projectRoot } from '../../helpers/project.ts';
import { until } from '../../helpers/until.ts';

let folder: string;
let home: string;
beforeEach(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-interrupt-`);
  home = `${folder}/home`;
  const python = homeFolders(home).tool('python');
  await mkdir(python.replace(/\/python$/, ''), { recursive: true });
  // Stands for the trainer's Python: says its pid, and hangs.
  await writeFile(python, `#!/bin/sh\necho $$ > "${folder}/home/pid"\nexec sleep 1000\n`);
  await chmod(python, 0o755);
  await mkdir(runFolder(home, 'shapes').detector, { recursive: true });
  await writeFile(`${runFolder(home, 'shapes').detector}/config.py`, '');
  await cp(`${projectRoot}/trainer/tests/exports/coco-datumaro.zip`, `${folder}/parts.zip`);
});
afterEach(() => rm(folder, { recursive: true }));

const demoRun = `${projectRoot}/configs/runs/demo.json`;

const commands: [NodeJS.Signals, string, string[]][] = [
  ['SIGINT', 'plan', [demoRun, '--device', 'cpu']],
  ['SIGTERM', 'import', ['parts.zip', '--copy', '--device', 'cpu']],
  ['SIGHUP', 'gpu-check', ['--recipe', 'demo', '--device', 'cpu']],
  ['SIGINT', 'predict', ['shapes', 'parts.zip', '--device', 'cpu']],
  ['SIGTERM', 'export', ['shapes', '--format', 'onnx']],
];

test.each(commands)('%s ends %s with 130, without a process or a file', async (signal, command, argv) => {
  const before = await readdir(folder);
  const main = `${projectRoot}/infra/cli/main.ts`;
  const env = { EVERSWIN_HOME: home };
  const options = { cwd: folder, env, reject: false, forceKillAfterDelay: false } as const;
  const running = execa(process.execPath, [main, command, ...argv], options);
  const pid = Number(await until(() => readPid()));
  running.kill(signal);
  const { exitCode, stderr } = await running;
  expect([exitCode, stderr]).toEqual([130, 'Interrupted. Nothing was written.']);
  expect(await processStartTicks(pid)).toBeUndefined();
  expect(await readdir(folder)).toEqual(before);
});

async function readPid(): Promise<string | undefined> {
  const file = `${home}/pid`;
  return existsSync(file) ? (await readFile(file, 'utf8')).trim() || undefined : undefined;
}
