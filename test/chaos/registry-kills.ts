/**
 * `node --import tsx test/chaos/registry-kills.ts [--kills 50] [--seed 1]`: whoever publishes and promotes is killed -9 at
 * seeded moments; after each kill the registry has to be what some whole sequence of changes makes of it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { localStore } from '../../activities/shared/store/local-store.ts';
import { readRegistry } from '../../activities/registry/registry-state.ts';
import { listVersions } from '../../activities/registry/versions.ts';
import { projectRoot } from '../helpers/project.ts';
import { Random } from './random.ts';
import { findFaults } from './registry-faults.ts';

/** A promotion takes some milliseconds: so kills fall into all of its parts. */
const longestLifeMs = 120;
const model = 'shapes';

export interface RegistryKills {
  kills: number;
  versions: number;
  changes: number;
  /** What was wrong, a line each. */
  faults: string[];
}

export async function killPromoters(kills: number, seed: string): Promise<RegistryKills> {
  const folder = await mkdtemp(`${tmpdir()}/everswin-registry-kills-`);
  const random = new Random(seed);
  const faults: string[] = [];
  const store = localStore(`${folder}/store`);
  try {
    for (let kill = 1; kill <= kills; kill += 1) {
      await promoteUntilKilled(folder, random.next() * longestLifeMs);
      const found = await findFaults(store, model, `${folder}/looked-at`);
      faults.push(...found.map((fault) => `after kill ${kill}: ${fault}`));
    }
    const { history } = (await readRegistry(store, model)).state;
    return { kills, versions: (await listVersions(store, model)).length, changes: history.length, faults };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function promoteUntilKilled(folder: string, lifeMs: number): Promise<void> {
  const program = `${projectRoot}/test/fixtures/promote-forever.ts`;
  const argv = ['--import', 'tsx', program, `${folder}/store`, `${folder}/scratch`];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], cwd: projectRoot });
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  await sleep(lifeMs);
  child.kill('SIGKILL');
  await exited;
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: { kills: { type: 'string', default: '50' }, seed: { type: 'string', default: '1' } },
  });
  const result = await killPromoters(Number(values.kills), values.seed);
  console.log(JSON.stringify(result, null, 1));
  if (result.faults.length > 0) process.exitCode = 1;
}
