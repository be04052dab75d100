import { execa } from 'execa';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { processStartTicks } from '../../../activities/shared/trainer/process-identity.ts';
import { homeFolders } from '../../../configs/paths.ts';
import { workflowPage } from '../../../infra/terminal/workflow-page.ts';
import { writeStackFile, type StackFile } from '../../../infra/stack/stack-file.ts';
import { projectRoot } from '../../helpers/project.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';

/** Homes of two checkouts. The first has a running stack, whose process is this test. */
let withStack: string;
let withoutStack: string;

const stackFile = async (): Promise<StackFile> => ({
  v: 1,
  host: hostname(),
  pid: process.pid,
  startTicks: (await processStartTicks(process.pid)) ?? 0,
  address: temporalAddress(),
  uiUrl: 'http://127.0.0.1:1',
  pagesUrl: 'http://127.0.0.1:2',
  hookUrl: null,
  processes: {},
});

beforeAll(async () => {
  withStack = await mkdtemp(`${tmpdir()}/everswin-with-stack-`);
  withoutStack = await mkdtemp(`${tmpdir()}/everswin-without-stack-`);
  await writeStack(withStack, await stackFile());
});
afterAll(async () => {
  for (const home of [withStack, withoutStack]) await rm(home, { recursive: true });
});

const writeStack = async (home: string, stack: StackFile): Promise<void> => {
  await mkdir(dirname(homeFolders(home).stack), { recursive: true });
  await writeStackFile(home, stack);
};

const everswin = (home: string, argv: string[], env: Record<string, string> = {}) =>
  execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, ...argv], {
    env: { EVERSWIN_HOME: home, TEMPORAL_ADDRESS: undefined, ...env },
    reject: false,
  });

test('a command uses the running stack of its own folder, and names it', async () => {
  const { exitCode, stderr } = await everswin(withStack, ['status']);
  expect([exitCode, stderr]).toEqual([0, `Temporal at ${temporalAddress()}, namespace default (stack of this folder)`]);
});

test.each([[['status']], [['start', 'configs/runs/demo.json']], [['retrain', 'configs/retrain/demo.json']]])(
  'everswin %j refuses in a folder without a stack although another folder has one',
  async (argv) => {
    const { exitCode, stderr } = await everswin(withoutStack, argv);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`No stack is running in ${withoutStack}. Start one in another terminal: everswin up.`);
  },
);

test('a command without a stack does not use a server on the default port, but names it', async () => {
  const stranger = createServer();
  // Another process may already listen there, which is the same situation.
  await new Promise<void>((resolve) => stranger.once('error', () => resolve()).listen(7233, '127.0.0.1', resolve));
  try {
    const { exitCode, stderr } = await everswin(withoutStack, ['status']);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('To use it anyway, add --address 127.0.0.1:7233.')]);
  } finally {
    stranger.close();
  }
});

test('a command uses --address and TEMPORAL_ADDRESS in this order, and names the source', async () => {
  const address = temporalAddress();
  const option = await everswin(withoutStack, ['status', '--address', address], { TEMPORAL_ADDRESS: '127.0.0.1:9' });
  expect([option.exitCode, option.stderr]).toEqual([0, `Temporal at ${address}, namespace default (--address)`]);
  const variable = await everswin(withStack, ['status'], { TEMPORAL_ADDRESS: address });
  expect(variable.stderr).toBe(`Temporal at ${address}, namespace default (TEMPORAL_ADDRESS)`);
});

test('a server that does not respond is named with the reason to check', async () => {
  const { exitCode, stderr } = await everswin(withoutStack, ['status', '--address', '127.0.0.1:9']);
  expect(exitCode).toBe(1);
  expect(stderr).toContain('Temporal at 127.0.0.1:9, namespace default (--address)');
  expect(stderr).toContain(
    'Cannot connect to Temporal at 127.0.0.1:9, namespace default, no TLS: nothing listens at this port (ECONNREFUSED). Check the address',
  );
});

test('links to the Temporal UI follow the namespace, and EVERSWIN_UI_URL', () => {
  const page = (uiUrl: string | undefined) => workflowPage({ uiUrl, namespace: 'vision.lab' }, 'train:a');
  expect(page('https://ui.lab/')).toBe('https://ui.lab/namespaces/vision.lab/workflows/train%3Aa');
  expect(page(undefined)).toBeUndefined();
});

test('a command uses the profile of temporal.toml that a variable selects, and the default profile after the stack', async () => {
  const address = temporalAddress();
  const file = `${withoutStack}/temporal.toml`;
  await writeFile(file, `[profile.default]\naddress = "${address}"\n[profile.other]\naddress = "127.0.0.1:9"\n`);
  const selected = await everswin(withStack, ['status'], { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'other' });
  expect(selected.stderr).toContain('Temporal at 127.0.0.1:9, namespace default (temporal.toml)');
  await mkdir(`${withoutStack}/config/temporalio`, { recursive: true });
  await rename(file, `${withoutStack}/config/temporalio/temporal.toml`);
  const env = { XDG_CONFIG_HOME: `${withoutStack}/config` };
  const fallback = await everswin(withoutStack, ['status'], env);
  expect(fallback.stderr).toBe(`Temporal at ${address}, namespace default (temporal.toml)`);
  expect((await everswin(withStack, ['status'], env)).stderr).toContain('(stack of this folder)');
});

test('a stack is not running when another process has its pid', async () => {
  const home = await mkdtemp(`${tmpdir()}/everswin-reused-pid-`);
  await writeStack(home, { ...(await stackFile()), startTicks: 1 });
  const { exitCode, stderr } = await everswin(home, ['status']);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`No stack is running in ${home}.`)]);
  await rm(home, { recursive: true });
});
