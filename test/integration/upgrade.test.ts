/** Replaces the workers of a training twice by those of another version. Real processes and server, fake trainer. */
import { randomUUID } from 'node:crypto';
import { appendFile, copyFile, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { computeFingerprint, formatChange } from '../../activities/retrain/fingerprint.ts';
import { updateNames } from '../../configs/names.ts';
import { runFolder } from '../../configs/paths.ts';
import { RunStatus, Versions } from '../../configs/schema/index.ts';
import { startRun } from '../../infra/client/start-run.ts';
import { connect, connectLazily } from '../../workers/connect.ts';
import { readVersion } from '../../workers/env.ts';
import { createNamespace, prepareNamespace } from '../../workers/prepare-namespace.ts';
import { hashFile, readManifests } from '../chaos/job-record.ts';
import { findMarked } from '../chaos/processes.ts';
import { miniFreeze } from '../chaos/subject-mini.ts';
import { killAll } from '../helpers/kill-all.ts';
import { fakeTrainerPath, pinnedTemporal, projectHome, projectRoot, python } from '../helpers/project.ts';
import '../helpers/quiet-runtime.ts';
import { miniPlan } from '../helpers/mini-run.ts';
import { temporalAddress } from '../helpers/temporal-address.ts';
import { until } from '../helpers/until.ts';

const address = temporalAddress();
const namespace = `upgrade-${randomUUID().slice(0, 8)}`;
const folders = ['activities', 'configs', 'infra', 'workers', 'workflows', 'trainer', 'test/chaos', 'test/fixtures'];
let scratch: string;
let home: string;

beforeAll(async () => {
  scratch = await mkdtemp(`${tmpdir()}/everswin-upgrade-`);
  home = `${scratch}/home`;
  await mkdir(`${home}/chaos`, { recursive: true });
  await symlink(`${projectHome}/tools`, `${home}/tools`);
  await copyFile(inject('workflowBundlePath'), `${home}/workflows.js`);
});
afterAll(async () => {
  killAll(findMarked('EVERSWIN_CHAOS_DIR', `${home}/chaos`).map(({ pid }) => pid));
  await rm(scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
});

/** Copies the project as another version, whose trainer differs by a comment. */
async function copyProject(version: string): Promise<string> {
  const project = `${scratch}/${version}`;
  const copies = [...folders, 'test/helpers'].map((folder) =>
    cp(`${projectRoot}/${folder}`, `${project}/${folder}`, { recursive: true }),
  );
  await Promise.all(copies);
  await symlink(`${projectRoot}/node_modules`, `${project}/node_modules`);
  const description = await readFile(`${projectRoot}/package.json`, 'utf8');
  await writeFile(`${project}/package.json`, description.replace(/"version": "[^"]*"/, `"version": "${version}"`));
  await appendFile(`${project}/trainer/everswin_trainer/training/batches.py`, `# ${version}\n`);
  return project;
}

/** Starts the workers of a version, and makes it current once they poll. */
async function startVersion(version: string, project: string) {
  const env = {
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    TEMPORAL_WORKER_BUILD_ID: version,
    EVERSWIN_HOME: home,
  };
  const workers = ['control-worker', 'gpu-worker'].map((name) =>
    execa(process.execPath, [`${project}/test/chaos/${name}.ts`, '--subject', miniFreeze.name], {
      env,
      reject: false,
      forceKillAfterDelay: false,
      all: true,
    }),
  );
  await until(async () => {
    const argv = [
      'worker',
      'deployment',
      'set-current-version',
      '--deployment-name',
      'everswin',
      '--build-id',
      version,
    ];
    const options = ['--address', address, '--namespace', namespace, '--yes'];
    const { failed } = await execa(pinnedTemporal, [...argv, ...options], { reject: false });
    const ended = workers.find(({ exitCode }) => exitCode !== null);
    if (ended !== undefined) throw new Error(`a worker has ended: ${(await ended).all}`);
    return failed ? undefined : true;
  });
  return async (signal: 'SIGTERM' | 'SIGKILL') => {
    for (const worker of workers) worker.kill(signal);
    await Promise.all(workers);
  };
}

const readVersionsOf = async (project: string): Promise<Versions> => {
  const code = `import { readVersions } from '${project}/workers/env.ts'; console.log(JSON.stringify(readVersions()));`;
  const { stdout } = await execa(process.execPath, ['--input-type=module', '--eval', code]);
  return Versions.parse(JSON.parse(stdout));
};

test('a training survives two upgrades with equal weights, and each attempt records its code', async () => {
  const names = { before: '0.2.9', here: readVersion(), after: '99.0.0' };
  const [before, after] = await Promise.all([copyProject(names.before), copyProject(names.after)]);
  const lazy = connectLazily({ address, namespace });
  await createNamespace({ connection: lazy.connection, namespace }, 3);
  await lazy.connection.close();
  const client = await until(() => connect({ address, namespace }).catch(() => undefined));
  await prepareNamespace({ connection: client.connection, namespace }, { retentionDays: undefined });

  const stopBefore = await startVersion(names.before, before);
  const { handle } = await startRun(client, { ...miniFreeze.input('upgraded', 1), epochs: 500 });
  const statusOf = async () => RunStatus.parse(await handle.query('status'));
  const untilEpoch = (least: number) =>
    until(async () => {
      const { epoch = 0 } = (await statusOf()).progress ?? {};
      return epoch >= least ? epoch : undefined;
    });
  /** Moves the training to the code of the workers. */
  const restartTrainer = async () => {
    await handle.executeUpdate(updateNames.pause, { args: ['a test'] });
    const { epoch = 0 } = (await statusOf()).progress ?? {};
    await handle.executeUpdate(updateNames.resume, { args: ['a test'] });
    return untilEpoch(epoch + 1);
  };
  await untilEpoch(1);
  const stopHere = await startVersion(names.here, projectRoot);
  await stopBefore('SIGTERM');
  await restartTrainer();
  await stopHere('SIGKILL');
  const stopAfter = await startVersion(names.after, after);
  const epoch = await restartTrainer();
  await handle.executeUpdate(updateNames.stopAfterEpoch, { args: [epoch + 3, 'a test'] });
  await handle.result();
  const { attempts } = await statusOf();
  const { versioningInfo } = (await handle.describe()).raw.workflowExecutionInfo ?? {};
  await stopAfter('SIGTERM');
  await client.connection.close();

  const versions = attempts.filter(({ fromIteration }) => fromIteration !== null).map(({ code }) => code?.everswin);
  expect([...new Set(versions)]).toEqual([names.before, names.here, names.after]);
  expect(versioningInfo?.deploymentVersion?.buildId).toBe(names.after);

  const { train, plan } = runFolder(home, 'upgraded');
  const reference = `${scratch}/reference`;
  const newest = (folder: string) => readManifests(`${folder}/checkpoints`)[0];
  await execa(
    python,
    [
      ...[
        '-m',
        'fake_trainer',
        'train',
        '--plan',
        plan,
        '--job-dir',
        reference,
        '--epochs',
        String(newest(train.dir)?.epoch),
      ],
      ...['--steps-per-epoch', '40', '--step-seconds', '0', '--checkpoint-bytes', '65536'],
    ],
    { env: { PYTHONPATH: fakeTrainerPath } },
  );
  const weightsOf = (folder: string) => hashFile(`${folder}/checkpoints/${newest(folder)?.file}`);
  expect(weightsOf(train.dir)).toBe(weightsOf(reference));

  // Both trainers differ by a comment only: no retraining.
  const [old, current] = await Promise.all([before, projectRoot].map(readVersionsOf));
  expect(old?.trainerCode).not.toBe(current?.trainerCode);
  const [was, now] = [old, current].map((one) => computeFingerprint({ ...miniPlan, versions: Versions.parse(one) }));
  expect(was && now && formatChange(was, now)).toBeUndefined();
});
