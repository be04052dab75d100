import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { s3Store } from '../../../activities/shared/store/s3-store.ts';
import { SupervisedProcess } from '../../../infra/stack/supervised-process.ts';
import {
  configureObjectStore,
  readObjectStoreCredentials,
  waitForObjectStore,
  type ObjectStore,
} from '../../../infra/stack/object-store.ts';
import { weed } from '../../helpers/project.ts';

async function startIn(folder: string): Promise<ObjectStore & { pid: number; stop: () => Promise<void> }> {
  const planned = await configureObjectStore({ executable: weed, folder, bucket: 'everswin', preferredPort: 0 });
  const log = `${folder}/log`;
  const server = new SupervisedProcess({ ...planned.process, logFile: log }, () => undefined);
  await waitForObjectStore(planned, log);
  return { ...planned, pid: server.pid ?? 0, stop: () => stop(server, planned) };
}

async function stop(server: SupervisedProcess, { sockets }: ObjectStore): Promise<void> {
  await server.stop();
  for (const socket of sockets) await rm(socket, { force: true });
}

test('the object store keeps its objects across a restart and listens on 127.0.0.1 only', async () => {
  const folder = await mkdtemp(`${tmpdir()}/everswin-object-store-`);
  onTestFinished(() => rm(folder, { recursive: true }));
  const storeAt = async ({ endpoint, bucket }: ObjectStore) => {
    const credentials = await readObjectStoreCredentials(folder);
    const limits = { stallMs: 10_000, partBytes: 16 * 1024 * 1024, stateFolder: `${folder}/uploads` };
    return s3Store({ bucket, prefix: '' }, { endpoint, region: 'us-east-1', credentials, ...limits });
  };
  await writeFile(`${folder}/file`, 'kept');
  const first = await startIn(folder);
  await (await storeAt(first)).put('a/file', `${folder}/file`);
  await first.stop();
  const second = await startIn(folder);
  onTestFinished(() => second.stop());
  expect(second.endpoint).not.toBe(first.endpoint);
  await (await storeAt(second)).get('a/file', `${folder}/back`);
  expect(await readFile(`${folder}/back`, 'utf8')).toBe('kept');

  const { stdout } = await execa('ss', ['-Hltnp']);
  const listening = stdout.split('\n').filter((line) => line.includes(`pid=${second.pid},`));
  expect(listening.length).toBeGreaterThan(0);
  expect(listening.filter((line) => !/\s127\.0\.0\.1:\d+\s/.test(line))).toEqual([]);
  for (const file of ['credentials', 'identities.json']) {
    expect((await stat(`${folder}/${file}`)).mode & 0o777).toBe(0o600);
  }
  expect(
    (await readdir(tmpdir())).filter((name) => name.startsWith('weed.') && name.endsWith(`.${second.pid}`)),
  ).toEqual([]);
  const { secretAccessKey } = await readObjectStoreCredentials(folder);
  expect(await readFile(`/proc/${second.pid}/cmdline`, 'utf8')).not.toContain(secretAccessKey);
  expect(await readFile(`/proc/${second.pid}/environ`, 'utf8')).not.toContain(secretAccessKey);
  expect(await readFile(`${folder}/log`, 'utf8')).not.toContain(secretAccessKey);
});
