/** `everswin up` passes the hook token to the hook only. */
import { mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { homeFolders } from '../../../configs/paths.ts';
import { readStackFile } from '../../../infra/stack/stack-file.ts';
import { projectRoot } from '../../helpers/project.ts';
import { until } from '../../helpers/until.ts';

const token = 'a-token-for-one-stack-and-no-longer';

async function withHome<T>(use: (home: string) => Promise<T>): Promise<T> {
  const home = await mkdtemp(`${tmpdir()}/everswin-hook-`);
  // This test trains nothing, so the demo images are not needed.
  await mkdir(homeFolders(home).demoFiles);
  try {
    return await use(home);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

const up = (home: string, hookToken: string | undefined) =>
  execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, 'up', '--home', home, '--device', 'cpu'], {
    env: { EVERSWIN_HOOK_TOKEN: hookToken },
    reject: false,
    // On a busy machine, execa would kill the stack before it has stopped its processes.
    forceKillAfterDelay: false,
    all: true,
  });

/** Runs `use` while the stack is up. @returns the output of the stack. */
async function whileUp(home: string, use: () => Promise<void>): Promise<string> {
  const stack = up(home, token);
  try {
    await use();
  } finally {
    stack.kill('SIGTERM');
    await stack;
  }
  const { all, exitCode } = await stack;
  expect(exitCode).toBe(0);
  return all;
}

const environOf = (pid: number): Promise<string> => readFile(`/proc/${pid}/environ`, 'utf8');

test('the stack serves its UI and the hook, only the hook process gets the token, and no file contains it', () =>
  withHome(async (home) => {
    let address = '';
    const all = await whileUp(home, async () => {
      const { hookUrl, uiUrl, processes } = await until(async () => {
        const file = await readStackFile(home);
        return file?.processes['hook'] === undefined ? undefined : file;
      });
      address = `${hookUrl ?? ''}/hooks/retrain/`;
      const headers = { authorization: `Bearer ${token}` };
      const answer = await until(() =>
        fetch(`${address}unknown`, { method: 'POST', headers })
          // The hook or the Temporal server is still starting.
          .then((response) => (response.status === 503 ? undefined : response))
          .catch(() => undefined),
      );
      expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining('everswin schedule apply')]);

      const version = await until(() =>
        fetch(`${uiUrl}/api/v1/settings`).then(
          (response) => (response.ok ? response.text() : undefined),
          () => undefined, // the proxy is still starting
        ),
      );
      expect(version).toContain('"Version":"2.');

      const { hook = 0, ...others } = processes;
      expect(Object.keys(others).sort()).toEqual(['control-worker', 'gpu-worker', 'pages', 'temporal-server', 'ui']);
      expect(await environOf(hook)).toContain(token);
      for (const [name, pid] of Object.entries(others)) {
        const environ = await environOf(pid);
        expect([name, environ.includes(`EVERSWIN_HOME=${home}`), environ.includes(token)]).toEqual([name, true, false]);
      }
    });
    expect(all).toContain(`POST ${address}MODEL`);
    expect(all).not.toContain(token);
    for (const entry of await readdir(home, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const text = await readFile(`${entry.parentPath}/${entry.name}`, 'latin1');
      expect([entry.name, text.includes(token)]).toEqual([entry.name, false]);
    }
  }));

test('a short token stops the stack before it starts and is not printed', () =>
  withHome(async (home) => {
    const { all, exitCode } = await up(home, 'short-secret');
    expect(exitCode).toBe(1);
    expect(all).toContain('Expected EVERSWIN_HOOK_TOKEN to be 32 or more visible characters');
    expect(all).not.toContain('short-secret');
    expect(await readStackFile(home)).toBeUndefined();
  }));
