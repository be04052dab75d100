import { appendFile, mkdir, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { execa } from 'execa';
import { hookTokenVariable, namespace } from '../../configs/names.ts';
import { homeFolders } from '../../configs/paths.ts';
import type { Incident } from '../../configs/schema/index.ts';
import { startFileServer } from './file-server.ts';
import { ensureMiniCoco } from './mini-coco.ts';
import { configureObjectStore, stackBucket, waitForObjectStore } from './object-store.ts';
import { findFreePort } from './free-port.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { SupervisedProcess, type Restart, type ProcessSpec } from './supervised-process.ts';
import { belongsToStack, readStackFile, stackMarker, writeStackFile, type StackFile } from './stack-file.ts';
import { devServerArgv, findTemporalCli } from './temporal-server.ts';
import { readHookToken } from '../../workers/env.ts';

export interface RunningStack {
  file: () => StackFile;
  /** Stops workers, trainers and the server, in that order; nothing of it is left running. */
  stop: () => Promise<void>;
}

export interface StackOptions {
  home: string;
  device: 'cpu' | 'cuda';
  /** An S3 server of its own beside them, for `artifacts.store`. */
  withObjectStore: boolean;
  log: (line: string) => void;
}

const projectRoot = `${import.meta.dirname}/../..`;
const serverReadyWithinMs = 60_000;

/** Temporal dev server, control worker, GPU worker and server of the runs' pages (an S3 server, a hook), each started again when it dies; the miniature COCO over HTTP. */
export async function startStack({ home, device, withObjectStore, log: say }: StackOptions): Promise<RunningStack> {
  const folders = homeFolders(home);
  await Promise.all([`${home}/stack`, folders.logs].map((folder) => mkdir(folder, { recursive: true })));
  await endLeftovers(home);
  const isHookWanted = readHookToken() !== undefined;
  await ensureMiniCoco(home, say);
  const files = await startFileServer({ folder: folders.demoFiles, port: 0 });
  const port = await findFreePort(7233);
  const uiPort = await findFreePort(8233);
  const pagesPort = await findFreePort(8235);
  const pagesUrl = `http://127.0.0.1:${pagesPort}`;
  const hookPort = isHookWanted ? await findFreePort(8236) : null;
  const hookUrl = hookPort === null ? null : `http://127.0.0.1:${hookPort}`;
  const address = `127.0.0.1:${port}`;
  const objects = withObjectStore
    ? await configureObjectStore({
        executable: folders.weed,
        folder: folders.objectStore,
        bucket: stackBucket,
        preferredPort: 8333,
      })
    : undefined;
  const env = {
    [stackMarker]: home,
    TEMPORAL_ADDRESS: address,
    EVERSWIN_DEMO_URL: files.url,
    EVERSWIN_PAGES_URL: pagesUrl,
    ...objects?.workerEnv,
    // The SDK's version is locked, and the Node version checked at the start.
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  };

  const kept: SupervisedProcess[] = [];
  const file = (): StackFile => ({
    v: 1,
    pid: process.pid,
    address,
    uiUrl: `http://127.0.0.1:${uiPort}`,
    demoUrl: files.url,
    pagesUrl,
    hookUrl,
    processes: Object.fromEntries(kept.flatMap(({ name, pid }) => (pid === undefined ? [] : [[name, pid]]))),
  });
  const onDeath = (death: Restart) => {
    say(`${death.name} died (${death.reason}); started again after ${death.restartedAfterSeconds.toFixed(1)} s`);
    void recordIncident(folders.incidents, death);
    void writeStackFile(home, file());
  };
  const logOf = (name: string) => `${folders.logs}/${name}.log`;
  // The token is the hook's alone: no worker, and so no trainer, needs it.
  const keep = (spec: Omit<ProcessSpec, 'env' | 'logFile'>) =>
    kept.push(
      new SupervisedProcess({ unsetEnv: [hookTokenVariable], ...spec, env, logFile: logOf(spec.name) }, onDeath),
    );
  const worker = (name: string, argv: string[], own: Pick<ProcessSpec, 'unsetEnv'> = {}) =>
    keep({ name, executable: process.execPath, argv: ['--import', 'tsx', ...argv], graceMs: 20_000, ...own });

  const stop = async () => {
    const isWorker = ({ name }: SupervisedProcess) => name.endsWith('-worker');
    await Promise.all(kept.filter(isWorker).map((process) => process.stop()));
    await execa(process.execPath, ['--import', 'tsx', `${projectRoot}/workers/stop-trainers.ts`], {
      env: { ...env, [hookTokenVariable]: undefined },
      reject: false,
    });
    await Promise.all(kept.filter((process) => !isWorker(process)).map((process) => process.stop()));
    for (const socket of objects?.sockets ?? []) await rm(socket, { force: true });
    await files.close();
  };

  keep({
    name: 'temporal-server',
    executable: await findTemporalCli(home),
    argv: devServerArgv({ port, uiPort }, folders.database),
    graceMs: 10_000,
  });
  if (objects !== undefined) keep(objects.process);
  try {
    await waitForServer(address, logOf('temporal-server'));
    if (objects !== undefined) await waitForObjectStore(objects, logOf('object-store'));
  } catch (error) {
    await stop();
    throw error;
  }
  worker('control-worker', [`${projectRoot}/workers/control.ts`]);
  worker('gpu-worker', [`${projectRoot}/workers/gpu.ts`, '--device', device]);
  worker('pages', [`${projectRoot}/infra/pages/pages.ts`, '--port', String(pagesPort)]);
  if (hookPort !== null)
    worker('hook', [`${projectRoot}/infra/pages/hook.ts`, '--port', String(hookPort)], { unsetEnv: [] });
  await writeStackFile(home, file());
  return { file, stop };
}

/** Returns when the server answers and knows our search attributes. */
export async function waitForServer(address: string, log: string): Promise<void> {
  const deadline = performance.now() + serverReadyWithinMs;
  for (;;) {
    try {
      const connection = await Connection.connect({ address, connectTimeout: '2s' });
      await connection.workflowService.describeNamespace({ namespace });
      await ensureSearchAttributes(connection);
      await connection.close();
      return;
    } catch (cause) {
      if (performance.now() > deadline) {
        throw new Error(`The Temporal server did not answer on ${address}. Its log is ${log}`, { cause });
      }
      await sleep(200);
    }
  }
}

/** After a supervisor was killed its processes live on: two workers of one home must not run side by side. */
async function endLeftovers(home: string): Promise<void> {
  const old = await readStackFile(home);
  for (const pid of Object.values(old?.processes ?? {})) {
    if (!(await belongsToStack(pid, home))) continue;
    process.kill(pid, 'SIGKILL');
    while (await belongsToStack(pid, home)) await sleep(20);
  }
}

async function recordIncident(path: string, { name, pid, reason: how, restartedAfterSeconds }: Restart): Promise<void> {
  const incident: Incident = {
    v: 1,
    at: Date.now() / 1000 - restartedAfterSeconds,
    process: name,
    pid,
    how,
    restartedAfterSeconds,
  };
  await appendFile(path, `${JSON.stringify(incident)}\n`);
}
