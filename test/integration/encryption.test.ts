/** Runs workflows with encrypted payloads, and searches everything that the server and the workers stored. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { WorkflowNotFoundError, WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { NativeConnection, Worker } from '@temporalio/worker';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { retrainTrigger } from '../../activities/retrain/retrain-trigger.ts';
import { readStartedInput } from '../../activities/shared/temporal/started-input.ts';
import { encryptionVariables, hookTokenVariable, taskQueues, updateNames, workflowTypes } from '../../configs/names.ts';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { RetrainInput, RunInput } from '../../configs/schema/index.ts';
import { explainSilence } from '../../infra/client/explain-silence.ts';
import { formatKeylessWorkers } from '../../infra/client/keyless-workers.ts';
import { applySchedule } from '../../infra/client/retrain-schedule.ts';
import { startRun } from '../../infra/client/start-run.ts';
import { findFreePorts } from '../../infra/stack/free-port.ts';
import { startCodecServer } from '../../infra/pages/codec-server.ts';
import { connect } from '../../workers/connect.ts';
import { parseEncryptionKeys, readEncryptionKeys } from '../../workers/encryption-keys.ts';
import { createDataConverter, createPayloadCodec } from '../../workers/payload-codec.ts';
import { startChaosStack, type ChaosStack } from '../chaos/stack.ts';
import { findSubject } from '../chaos/subject.ts';
import { omitRunName } from '../helpers/omit-run-name.ts';
import { pinnedTemporal, projectRoot } from '../helpers/project.ts';
import { until } from '../helpers/until.ts';

const newKey = (): string => randomBytes(32).toString('base64');
const keys = { k1: newKey(), k2: newKey() };

/** Secrets of the environment, which no file may contain. */
const secrets = {
  [encryptionVariables.keys]: `k2:${keys.k2},k1:${keys.k1}`,
  EVERSWIN_NOTIFY_OPS_URL: 'https://127.0.0.1:9/canary-url',
  EVERSWIN_NOTIFY_OPS_SECRET: 'canary-secret-0123456789',
  [hookTokenVariable]: 'canary-token-0123456789-0123456789-0123456789',
  AWS_SECRET_ACCESS_KEY: 'canary-access-key',
};
const secretTexts = [keys.k1, keys.k2, 'canary-url', 'canary-secret', 'canary-token', 'canary-access-key'];

/** Texts of people: in run files, updates and triggers. */
const canary = (name: string): string => `canary-${name}-${randomBytes(4).toString('hex')}`;
const note = canary('note');
const dataset = canary('dataset');
const title = canary('title');
const backbone = canary('backbone');
const address = canary('address');
const image = canary('image');
const host = canary('host');
const field = canary('field');
const sender = canary('sender');
const refused = canary('refused');
const model = 'encrypted';
const who = canary('who');
const why = canary('why');
const scheduled = canary('scheduled');
const stored = canary('stored');
const settings = [note, dataset, title, backbone, address, image, host];
const texts = [...settings, field, sender, refused, who, why, scheduled, stored];

const subject = findSubject('mini');
const plain = { ...subject.input('encrypted', 1), epochs: 30 };
const file = { file: 'data.zip', urls: [`https://${host}.org/${address}`] };
const input = RunInput.parse({
  ...plain,
  note,
  dataset,
  weights: { backbone },
  catalog: {
    datasets: {
      [dataset]: {
        title,
        archives: [file],
        train: { images: 'data.zip', annotations: 'data.zip/train.json' },
        val: { images: 'data.zip', annotations: 'data.zip/val.json' },
      },
    },
    weights: { [backbone]: { title, source: file } },
  },
  skipBadImages: [image],
  transfers: { allowHosts: [`${host}.org`] },
  notify: [{ to: 'webhook', ref: 'OPS' }],
});
const retrain = (text: string) => RetrainInput.parse({ version: 1, model, run: { ...omitRunName(plain), note: text } });

let stack: ChaosStack;
let metricsAddresses: string[];
beforeAll(async () => {
  metricsAddresses = (await findFreePorts(2)).map((port) => `127.0.0.1:${port}`);
  for (const [name, value] of Object.entries(secrets)) vi.stubEnv(name, value);
  const variables = ['EVERSWIN_CONTROL_METRICS_ADDRESS', 'EVERSWIN_GPU_METRICS_ADDRESS'];
  for (const [index, name] of variables.entries()) vi.stubEnv(name, metricsAddresses[index]);
  stack = await startChaosStack(subject);
  // Other workers must not use the same addresses.
  for (const name of variables) vi.stubEnv(name, undefined);
});
afterAll(() => stack.stop(false));

/** Returns the history as the server stores it. */
async function rawHistory(handle: WorkflowHandle): Promise<string> {
  const history = await handle.fetchHistory();
  return Buffer.from(temporal.api.history.v1.History.encode(history).finish()).toString('latin1');
}

/** Reads all files in a folder of the home, by path. */
async function readFiles(folder: string): Promise<[path: string, content: string][]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => `${parentPath}/${name}`);
  return Promise.all(paths.map(async (path) => [path, await readFile(path, 'latin1').catch(() => '')] as const)).then(
    (files) => files.map(([path, content]) => [path, content]),
  );
}

/** Scrapes both workers. */
async function readMetrics(): Promise<string> {
  const scrapes = metricsAddresses.map(async (at) => (await fetch(`http://${at}/metrics`)).text());
  return (await Promise.all(scrapes)).join('\n');
}

const found = (content: string, wanted: string[]): string[] => wanted.filter((text) => content.includes(text));

test('history, database, logs and metrics contain nothing that people wrote, and no file a secret', async () => {
  const { client, home, bundle } = stack;
  const folder = runFolder(home, input.name);
  await mkdir(folder.root, { recursive: true });
  const { handle } = await startRun(client, input);
  expect(await readStartedInput(client, handle.workflowId)).toMatchObject({ note, dataset });
  const stopAfter = (args: [unknown, string]) => handle.executeUpdate(updateNames.stopAfterEpoch, { args });
  await until(() => stopAfter([12, sender]).catch(() => undefined)); // rejected before the training
  const update = await stopAfter([refused, sender]).catch((error: unknown) => error);
  expect(update).toBeInstanceOf(WorkflowUpdateFailedError);
  expect((update as WorkflowUpdateFailedError).cause?.message).toContain(refused);
  const metrics = await until(async () => {
    const text = await readMetrics();
    return ['everswin_training_loss{', 'everswin_run_phase{'].every((name) => text.includes(name)) ? text : undefined;
  });
  expect(await handle.result()).toMatchObject({ uri: expect.stringContaining('encrypted') as string });
  const invalid = await client.workflow.start(workflowTypes.trainDetector, {
    taskQueue: 'everswin',
    workflowId: 'train:invalid',
    args: [{ ...input, [field]: 1 }],
  });
  await expect(invalid.result()).rejects.toMatchObject({
    cause: { message: expect.stringContaining(field) as string },
  });
  const now = Date.now() / 1000;
  const retraining = await client.workflow.signalWithStart(
    workflowTypes.retrainDetector,
    retrainTrigger(retrain(stored), { who, why }, now),
  );
  await until(async () =>
    (await retraining.fetchHistory()).events?.some((event) => event.activityTaskScheduledEventAttributes),
  );
  await retraining.terminate();
  const timing = { every: '24h', cron: undefined, timeZone: 'UTC' };
  await applySchedule(client, retrain(scheduled), timing);

  for (const run of [handle, invalid, retraining]) {
    const history = await rawHistory(run);
    expect(history).toContain('binary/encrypted');
    expect(found(history, texts)).toEqual([]);
  }
  const dataConverter = createDataConverter(readEncryptionKeys());
  await Worker.runReplayHistory(
    { workflowBundle: bundle, dataConverter },
    await handle.fetchHistory(),
    handle.workflowId,
  );
  const folders = homeFolders(home);
  const database = await readFiles(`${home}/stack`);
  expect(database.some(([, content]) => content.includes('train:encrypted'))).toBe(true);
  for (const [path, content] of [...database, ...(await readFiles(folders.logs))])
    expect([path, found(content, texts)]).toEqual([path, []]);
  expect([...texts, ...secretTexts]).toHaveLength(20);
  for (const text of [metrics, await readMetrics()]) expect(found(text, [...texts, ...secretTexts])).toEqual([]);
  for (const [path, content] of await readFiles(home)) expect([path, found(content, secretTexts)]).toEqual([path, []]);
  const report = (await readFiles(folder.report)).map(([, content]) => content).join('\n');
  // For people: who changed the run. The report of a real data set also shows settings (docs/how-to/encrypt.md).
  expect(found(report, texts)).toEqual([sender]);
});

/** Runs a command as a person on another machine does. @param key empty: without any. */
const everswin = (key: string, ...argv: string[]) =>
  execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, ...argv], {
    env: { [encryptionVariables.keys]: key, EVERSWIN_HOME: stack.home, TEMPORAL_ADDRESS: stack.address },
    reject: false,
  });

test('a worker or a command without the key refuses to start, names it, and sends nothing', async () => {
  const path = `${stack.home}/keyless.json`;
  const demo = await readFile(`${projectRoot}/configs/runs/demo.json`, 'utf8');
  await writeFile(path, JSON.stringify({ ...(JSON.parse(demo) as object), name: 'keyless' }));
  const [start, gpu, control] = await Promise.all([
    everswin('', 'start', path, '--no-wait'),
    everswin('', 'worker', 'gpu', '--device', 'cpu'),
    everswin(`k2:${newKey()}`, 'worker', 'control'),
  ]);
  const missing = 'is encrypted with the key "k2", and this process has no encryption key';
  expect([start.exitCode, start.stderr]).toEqual([1, expect.stringContaining(missing)]);
  expect([gpu.exitCode, gpu.stderr]).toEqual([1, expect.stringContaining(missing)]);
  expect([control.exitCode, control.stderr]).toEqual([1, expect.stringContaining('another key with the id k2')]);
  await expect(stack.client.workflow.getHandle('train:keyless').describe()).rejects.toThrow(WorkflowNotFoundError);
});

test('a run with a key that the workers lack waits, and its history and commands name the key', async () => {
  const foreign = await connect({
    address: stack.address,
    namespace: 'default',
    keys: parseEncryptionKeys(`k9:${newKey()}`, 'test'),
  });
  const { handle } = await startRun(foreign, { ...plain, name: 'foreign' });
  const problem = 'it is encrypted with the key "k9", and this process has the keys k2, k1 only';
  // Readable, because neither the operators nor the team may have a key of the other.
  await until(async () => (await rawHistory(handle)).includes(problem) || undefined);
  const { message } = await explainSilence({ handle, taskQueue: 'everswin', seconds: 1 });
  expect(message).toContain(`A control worker cannot continue train:foreign, which waits and loses nothing. A payload`);
  expect(message).toContain(problem);
  expect((await handle.describe()).status.name).toBe('RUNNING');
  await handle.terminate();
  await foreign.connection.close();
});

test('the Temporal CLI shows and sends payloads through the codec server', async () => {
  const token = randomBytes(24).toString('base64url');
  const codec = createPayloadCodec(readEncryptionKeys());
  const server = await startCodecServer({ port: 0, token, codec, origins: [] });
  const temporal = (...argv: string[]) =>
    execa(pinnedTemporal, [...argv, '--address', stack.address, '--codec-endpoint', `${server.url}/${token}`]);
  const shown = await temporal('workflow', 'show', '--workflow-id', 'train:encrypted', '--output', 'json');
  const data = [...shown.stdout.matchAll(/"data": "([^"]+)"/g)].map(([, text = '']) => Buffer.from(text, 'base64'));
  expect(Buffer.concat(data).toString()).toContain(note);
  const target = [
    '--workflow-id',
    'train:typed',
    '--type',
    workflowTypes.trainDetector,
    '--task-queue',
    taskQueues.control,
  ];
  await temporal('workflow', 'start', ...target, '--input', JSON.stringify({ typed: refused }));
  const history = await rawHistory(stack.client.workflow.getHandle('train:typed'));
  expect([history.includes('binary/encrypted'), found(history, texts)]).toEqual([true, []]);
  await server.close();
});

test('a GPU worker without the key fails no run, status names it, and another worker continues', async () => {
  const { client, address } = stack;
  const gpuWorker = stack.pidOf('gpu-worker') ?? 0;
  const connection = await NativeConnection.connect({ address });
  const keyless = await Worker.create({
    connection,
    taskQueue: taskQueues.gpu,
    identity: 'keyless',
    activities: { checkMachine: () => Promise.resolve([]) },
    dataConverter: createDataConverter(),
  });
  process.kill(gpuWorker, 'SIGSTOP');
  const { handle } = await startRun(client, { ...plain, name: 'outlasting', epochs: 1 });
  const waiting = until(async () => formatKeylessWorkers(await handle.describe()));
  const problem = 'is encrypted with the key "k2", and this process has no encryption key';
  expect(await keyless.runUntil(waiting)).toMatch(`checkMachine waits: the worker keyless lacks a key.`);
  expect(await waiting).toContain(problem);
  process.kill(gpuWorker, 'SIGCONT');
  expect(await handle.result()).toHaveProperty('uri');
  await connection.close();
});
