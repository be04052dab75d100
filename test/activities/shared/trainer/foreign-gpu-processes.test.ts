import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listForeignGpuProcesses } from '../../../../activities/shared/trainer/foreign-gpu-processes.ts';
import { listDescendants } from '../../../../activities/shared/trainer/process-descendants.ts';
import { killAll } from '../../../helpers/kill-all.ts';

let bin: string;
beforeEach(async () => {
  bin = await mkdtemp(`${tmpdir()}/everswin-smi-`);
});
afterEach(() => rm(bin, { recursive: true, force: true }));

const list = (supervisorPid = 1_000_000_000) =>
  listForeignGpuProcesses({ env: { PATH: `${bin}:/usr/bin:/bin` } }, supervisorPid);
const nvidiaSmi = (script: string) => writeFile(`${bin}/nvidia-smi`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });

test('no process is listed without nvidia-smi', async () => {
  expect(await listForeignGpuProcesses({ env: { PATH: bin } }, 1)).toEqual([]);
});

test('no process is listed when the driver fails', async () => {
  await nvidiaSmi('echo "NVIDIA-SMI has failed because it could not communicate with the driver"; exit 9');
  expect(await list()).toEqual([]);
});

test('each process is listed with its memory; headings and empty lines are skipped', async () => {
  await nvidiaSmi(`printf '4711, /usr/bin/python3, 18230\\n\\n[Not Found]\\n4712, ollama runner, [N/A]\\n'`);
  expect(await list()).toEqual(['/usr/bin/python3 (pid 4711, 18230 MiB)', 'ollama runner (pid 4712, [N/A] MiB)']);
});

test('descendants of the supervisor are not listed', async () => {
  const shell = spawn('sh', ['-c', 'sh -c "sleep 30; true" & echo ready; wait'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    await once(shell.stdout, 'data');
    const pid = shell.pid ?? -1;
    const below = await listDescendants(pid);
    expect(below.length).toBeGreaterThan(0);
    await nvidiaSmi([pid, ...below, 4711].map((one) => `echo "${one}, python, 1"`).join('\n'));
    expect(await list(pid)).toEqual(['python (pid 4711, 1 MiB)']);
  } finally {
    killAll(await listDescendants(shell.pid ?? -1));
    shell.kill('SIGKILL');
  }
});
