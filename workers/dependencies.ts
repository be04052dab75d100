import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ActivityDependencies } from '../activities/dependencies.ts';
import { localStore } from '../activities/lib/artifacts/local-store.ts';
import { testArgv, trainArgv, type Device } from '../activities/lib/trainer-argv.ts';
import { homeFolders } from '../configs/paths.ts';
import { Catalog } from '../configs/schema.ts';
import { projectFile, readEnv, readVersions, trainerEnv } from './env.ts';

/** What the activities of this worker need, from the environment and the project's own files. */
export function gatherDependencies(device: Device): ActivityDependencies {
  const env = readEnv();
  const home = resolve(env.EVERSWIN_HOME);
  const folders = homeFolders(home);
  return {
    home,
    recipesFolder: resolve(projectFile('configs/mmdet')),
    catalog: Catalog.parse(JSON.parse(readFileSync(projectFile('configs/catalog.json'), 'utf8'))),
    python: { executable: folders.python, env: trainerEnv() },
    programs: { train: trainArgv, test: testArgv },
    device,
    store: localStore(folders.store),
    demoUrl: env.EVERSWIN_DEMO_URL,
    versions: readVersions(),
  };
}
