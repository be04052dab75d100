/**
 * `node test/chaos/retrain-kills.ts [--kills 50] [--seed 1] [--ranks 1] [--json FILE]`: starts real retrainings with
 * three simultaneous triggers and kills a worker, the server, the supervisor, the trainer or all of them at seeded
 * moments. After each retraining the registry must be consistent, and nothing may have been trained twice.
 */
import { readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { localStore } from '../../activities/shared/store/local-store.ts';
import { readRegistry } from '../../activities/registry/registry-state.ts';
import { listVersions } from '../../activities/registry/versions.ts';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { RetrainInput, type RetrainStatus } from '../../configs/schema/index.ts';
import { triggerRetraining } from '../../infra/client/trigger-retraining.ts';
import { waitForResult } from '../../infra/client/wait-for-result.ts';
import { omitRunName } from '../helpers/omit-run-name.ts';
import { killProcess } from './inject-faults.ts';
import { readMachine } from './read-machine.ts';
import { findMarked } from './processes.ts';
import { Random } from './random.ts';
import { findInconsistencies } from './registry-inconsistencies.ts';
import { sampleTrainers } from './sampler.ts';
import { startChaosStack, type ChaosStack } from './stack.ts';
import { findSubject, type Subject } from './subject.ts';

const model = 'shapes';
const targets = ['control-worker', 'gpu-worker', 'temporal-server', 'supervisor', 'trainer', 'machine'] as const;
/** Approximate duration of an undisturbed retraining, with publishing and gate. */
const expectedSeconds = 35;
const maxKillsPerRetraining = 4;
/** Approximate time from the first change of the registry to the promotion. */
const registrySeconds = 2;

interface Kill {
  /** Event from which the delay counts. */
  after: 'the triggers' | 'a change of the registry';
  seconds: number;
  target: (typeof targets)[number];
}

interface KilledRetraining {
  kills: (Kill & { pids: number[] })[];
  seconds: number;
  outcome: string;
  inconsistencies: string[];
}

export interface RetrainKills {
  retrainings: KilledRetraining[];
  kills: number;
  versions: number;
  /** Inconsistencies of all retrainings, one per line. */
  inconsistencies: string[];
}

/** Retrains until the given number of kills has been injected. */
export async function killRetrainings(
  count: number,
  seed: string,
  ranks: number,
  log: (line: string) => void,
): Promise<RetrainKills> {
  const subject = findSubject('real', ranks);
  const stack = await startChaosStack(subject);
  await mkdir(homeFolders(stack.home).runs, { recursive: true });
  const random = new Random(seed);
  const retrainings: KilledRetraining[] = [];
  const injected = () => retrainings.reduce((sum, { kills }) => sum + kills.length, 0);
  const sampler = sampleTrainers(() => listJobs(stack.home));
  try {
    while (injected() < count) {
      const number = retrainings.length + 1;
      const planned = Math.min(random.count(maxKillsPerRetraining), count - injected());
      const retraining = await retrainWithKills(
        stack,
        inputOf(subject, ranks, number),
        number,
        planKills(random, planned),
      );
      retrainings.push(retraining);
      const names = retraining.kills.map(
        ({ target, seconds, after }) => `${target} ${seconds.toFixed(1)} s after ${after}`,
      );
      log(
        `${injected()}/${count} kills, ${retraining.seconds.toFixed(0)} s, ${retraining.outcome}: ${names.join('; ')}`,
      );
      for (const one of retraining.inconsistencies) log(`  INCONSISTENT ${one}`);
    }
    const store = localStore(homeFolders(stack.home).store);
    const inconsistencies = [
      ...retrainings.flatMap((retraining) => retraining.inconsistencies),
      ...sampler.stop().violations,
    ];
    return {
      retrainings,
      kills: injected(),
      versions: (await listVersions(store, model)).length,
      inconsistencies,
    };
  } finally {
    sampler.stop();
    await stack.stop(false);
  }
}

const planKills = (random: Random, count: number): Kill[] =>
  Array.from({ length: count }, () => {
    const after = random.chance(0.4) ? 'a change of the registry' : 'the triggers';
    const seconds = random.between(0, after === 'the triggers' ? expectedSeconds : registrySeconds);
    return { after, seconds, target: random.pick(targets) };
  });

async function retrainWithKills(
  stack: ChaosStack,
  input: RetrainInput,
  number: number,
  plan: Kill[],
): Promise<KilledRetraining> {
  const startedAt = performance.now();
  const ended = new AbortController();
  const killing = Promise.all(plan.map((kill) => injectKill(stack, kill, ended.signal)));
  const status = await retrain(stack, input, ['a schedule', 'a person', 'a hook']);
  ended.abort();
  const kills = (await killing).filter((kill) => kill !== undefined);
  await stack.ready();
  // A trigger without a change and without kills.
  const again = await retrain(stack, input, ['once more']);
  const inconsistencies = [
    ...checkDecisions(status, again),
    ...(await checkTrainings(stack, number)),
    ...(await findInconsistencies(localStore(homeFolders(stack.home).store), model, `${stack.home}/downloads`)),
  ].map((one) => `retraining ${number}: ${one}`);
  const outcome = status.outcomes.map((one) => one.outcome).join(', ') || 'skipped';
  return { kills, seconds: (performance.now() - startedAt) / 1000, outcome, inconsistencies };
}

/** A new random seed makes a new training. */
function inputOf(subject: Subject, ranks: number, number: number): RetrainInput {
  // With four images the AP varies a lot; this lets most candidates pass.
  const gate = { sizesMayFall: 100, worstClasses: { mayFall: 100 } };
  return RetrainInput.parse({
    version: 1,
    model,
    run: { ...omitRunName(subject.input('any', ranks)), seed: number },
    gate,
  });
}

/** Retries while the server is unavailable. */
async function retrain(stack: ChaosStack, input: RetrainInput, who: string[]): Promise<RetrainStatus> {
  const trigger = async (one: string) => {
    for (;;) {
      try {
        return await triggerRetraining(stack.client, input, { who: one, why: 'chaos suite' });
      } catch {
        await sleep(200);
      }
    }
  };
  const [handle] = await Promise.all(who.map(trigger));
  if (handle === undefined) throw new Error('expected at least one trigger');
  return waitForResult(handle, { poll: () => Promise.resolve(true), log: () => undefined });
}

function checkDecisions(status: RetrainStatus, again: RetrainStatus): string[] {
  const trained = status.decisions.filter(({ trains }) => trains).length;
  return [
    ...(trained === 1 ? [] : [`three triggers started ${trained} trainings`]),
    ...status.outcomes.flatMap(({ outcome, why }) => (outcome === 'failed' ? [`it failed: ${why}`] : [])),
    ...(again.decisions.some(({ trains }) => trains) ? ['a trigger without a change started a training'] : []),
  ];
}

/** Checks that each retraining led to one workflow, one run folder, one candidate and one version. */
async function checkTrainings({ client, home }: ChaosStack, number: number): Promise<string[]> {
  const store = localStore(homeFolders(home).store);
  const { history } = (await readRegistry(store, model)).state;
  const workflows: string[] = [];
  for await (const { workflowId } of client.workflow.list({ query: "WorkflowType = 'trainDetector'" }))
    workflows.push(workflowId);
  const counts = {
    'training workflows': workflows.length,
    'run folders': listRuns(home).length,
    candidates: history.filter(({ action }) => action === 'candidate').length,
    versions: (await listVersions(store, model)).length,
  };
  return Object.entries(counts).flatMap(([what, count]) =>
    count === number ? [] : [`expected ${number} ${what}, got ${count}`],
  );
}

/** @returns undefined if its moment never came. */
async function injectKill(stack: ChaosStack, kill: Kill, ended: AbortSignal) {
  try {
    if (kill.after === 'a change of the registry') await nextRegistryChange(stack, ended);
    await sleep(kill.seconds * 1000, undefined, { signal: ended });
    for (;;) {
      const pids = victimsOf(stack, kill.target);
      pids.forEach(killProcess);
      if (pids.length > 0) return { ...kill, pids };
      await sleep(20, undefined, { signal: ended });
    }
  } catch (error) {
    if (ended.aborted) return undefined;
    throw error;
  }
}

async function nextRegistryChange({ home }: ChaosStack, signal: AbortSignal): Promise<void> {
  const store = localStore(homeFolders(home).store);
  const countChanges = async () => (await readRegistry(store, model)).state.history.length;
  const before = await countChanges();
  while ((await countChanges()) === before) await sleep(20, undefined, { signal });
}

function victimsOf(stack: ChaosStack, target: Kill['target']): number[] {
  const ofStack = (...names: Parameters<ChaosStack['pidOf']>[0][]) => names.flatMap((name) => stack.pidOf(name) ?? []);
  const ours = () => findMarked('EVERSWIN_CHAOS_DIR', stack.chaosDir);
  const trainer = () => ours().filter(({ environment }) => environment.has('EVERSWIN_JOB'));
  const pidsOf = (found: { pid: number }[]) => found.map(({ pid }) => pid);
  switch (target) {
    case 'supervisor':
      return pidsOf(ours().filter(({ argv }) => argv.includes('supervise')));
    case 'trainer':
      return pidsOf(trainer());
    case 'machine':
      // The workers first: they could start a trainer that is not visible yet.
      return [...ofStack('gpu-worker', 'control-worker', 'temporal-server'), ...pidsOf(ours())];
    case 'control-worker':
    case 'gpu-worker':
    case 'temporal-server':
      return ofStack(target);
    default:
      return target satisfies never;
  }
}

/** Lists the run folders of trainings, without the folder of the change detection. */
const listRuns = (home: string): string[] =>
  readdirSync(homeFolders(home).runs).filter((name) => name.startsWith(`${model}-`));

const listJobs = (home: string): string[] =>
  listRuns(home).flatMap((name) => {
    const { train, test } = runFolder(home, name);
    return [train.dir, test.dir];
  });

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '50' },
      seed: { type: 'string', default: '1' },
      ranks: { type: 'string', default: '1' },
      json: { type: 'string' },
    },
  });
  const result = await killRetrainings(Number(values.kills), values.seed, Number(values.ranks), console.log);
  console.log(
    `${result.kills} kills, ${result.retrainings.length} retrainings, ${result.inconsistencies.length} inconsistencies`,
  );
  if (values.json !== undefined) {
    const record = { v: 1, seed: values.seed, ...(await readMachine()), ...result };
    await writeFile(values.json, JSON.stringify(record, null, 2));
  }
  process.exit(result.inconsistencies.length > 0 ? 1 : 0);
}
