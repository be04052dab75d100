/**
 * `node test/chaos/registry-kills.ts [--kills 50] [--seed 1]`: kills a process that publishes and promotes
 * at seeded moments. After each kill the registry must be the result of a complete sequence of changes.
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
import { findInconsistencies } from './registry-inconsistencies.ts';

/** A promotion takes a few milliseconds, so kills hit every part of it. */
const maxLifetimeMs = 120;
const model = 'shapes';

export interface RegistryKills {
  kills: number;
  versions: number;
  changes: number;
  /** Inconsistencies that were found, one per line. */
  inconsistencies: string[];
}

export async function killPromoters(kills: number, seed: string): Promise<RegistryKills> {
  const folder = await mkdtemp(`${tmpdir()}/everswin-registry-kills-`);
  const random = new Random(seed);
  const inconsistencies: string[] = [];
  const store = localStore(`${folder}/store`);
  try {
    for (let kill = 1; kill <= kills; kill += 1) {
      await promoteUntilKilled(folder, random.next() * maxLifetimeMs);
      const found = await findInconsistencies(store, model, `${folder}/downloads`);
      inconsistencies.push(...found.map((one) => `after kill ${kill}: ${one}`));
    }
    const { history } = (await readRegistry(store, model)).state;
    return {
      kills,
      versions: (await listVersions(store, model)).length,
      changes: history.length,
      inconsistencies,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function promoteUntilKilled(folder: string, lifeMs: number): Promise<void> {
  const program = `${projectRoot}/test/fixtures/promote-forever.ts`;
  const argv = [program, `${folder}/store`, `${folder}/scratch`];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], cwd: projectRoot });
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  await sleep(lifeMs);
  child.kill('SIGKILL');
  await exited;
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '50' },
      seed: { type: 'string', default: '1' },
      ranks: { type: 'string' },
    },
  });
  if (values.ranks !== undefined) {
    console.error(
      `--ranks ${values.ranks}: this program trains nothing. Use retrain-kills.ts for trainings of several ranks.`,
    );
    process.exit(2);
  }
  const result = await killPromoters(Number(values.kills), values.seed);
  console.log(JSON.stringify(result, null, 1));
  if (result.inconsistencies.length > 0) process.exitCode = 1;
}
