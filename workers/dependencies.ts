import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import type { ActivityDependencies } from '../activities/dependencies.ts';
import { createInputPreparer } from '../activities/inputs/input-preparer.ts';
import { StandbyTrainers } from '../activities/shared/trainer/standby-trainers.ts';
import { testArgv, trainArgv, type Device } from '../activities/shared/trainer/trainer-argv.ts';
import { trainerModule } from '../activities/shared/trainer/trainer-command.ts';
import type { OpenStore } from '../activities/shared/store/artifact-store.ts';
import { createFindWeights } from '../activities/starting-weights/find-weights.ts';
import { homeFolders } from '../configs/paths.ts';
import { Catalog } from '../configs/schema/index.ts';
import { projectFile, readEnv, readNotificationTargets, readVersions, toolPath, trainerEnv } from './env.ts';
import { openNamedStore } from './open-named-store.ts';

/** Creates the dependencies of the activities from the environment and the files of the project. */
export function createDependencies(device: Device): ActivityDependencies {
  const env = readEnv();
  const home = resolve(env.EVERSWIN_HOME);
  const folders = homeFolders(home);
  const recipesFolder = resolve(projectFile('configs/mmdet'));
  const catalog = Catalog.parse(JSON.parse(readFileSync(projectFile('configs/catalog.json'), 'utf8')));
  const python = { executable: toolPath(home, 'python'), env: trainerEnv() };
  const { EVERSWIN_DEMO_URL: demoUrl, AWS_ENDPOINT_URL_S3: endpoint, AWS_REGION: region } = env;
  const { EVERSWIN_SLURM_NODES: nodes, EVERSWIN_SRUN_OPTIONS: extra } = env;
  // Most S3 servers other than AWS have no host name per bucket.
  const s3 = () => new S3Client({ endpoint, region, forcePathStyle: endpoint !== undefined });
  const openNamed: OpenStore = (address) => openNamedStore(address, env);
  return {
    home,
    recipesFolder,
    catalog,
    python,
    device,
    address: env.EVERSWIN_HOST_ADDRESS,
    slurm: nodes === undefined ? undefined : { nodes, extra: extra.split(/\s+/).filter((option) => option !== '') },
    gpus: {
      folder: resolve(env.EVERSWIN_GPU_FOLDER ?? folders.gpusOf(env.EVERSWIN_HOST)),
      foreignMib: env.EVERSWIN_FOREIGN_GPU_MIB,
      healthSeconds: 60,
      healthTimeoutSeconds: 30,
      withGpusHeld: (work) => work(),
    },
    standbys: new StandbyTrainers(),
    observe: (_training, work) => work(),
    programs: { train: trainArgv, test: testArgv, module: trainerModule },
    preparer: createInputPreparer({ home, recipesFolder, python, catalog, demoUrl, s3 }),
    openStore: openNamed,
    findWeights: createFindWeights({ home, catalog, openStore: openNamed }),
    s3Server: { endpoint, region },
    drains: false,
    pagesUrl: env.EVERSWIN_PAGES_URL,
    versions: readVersions(),
    notificationTargets: readNotificationTargets(),
  };
}
