/**
 * `node --import tsx test/chaos/retrain-kills.ts [--kills 50] [--seed 1] [--json FILE]`: real trainings that triggers ask
 * for, three at once, while at seeded moments a worker, the server, the supervisor, the trainer or all of it is killed -9;
 * after each retraining the registry has one champion and whole versions, and nothing was trained twice.
 */
import '../helpers/quiet-runtime.ts';
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
import { killOne } from './killer.ts';
import { readMachine } from './machine.ts';
import { findMarked } from './processes.ts';
import { Random } from './random.ts';
import { findFaults } from './registry-faults.ts';
import { sampleTrainers } from './sampler.ts';
import { startChaosStack, type ChaosStack } from './stack.ts';
import { findSubject } from './subject.ts';

const model = 'shapes';
const subject = findSubject('real');
const targets = ['control-worker', 'gpu-worker', 'temporal-server', 'supervisor', 'trainer', 'machine'] as const;
/** About what one undisturbed retraining takes, publishing and judging included. */
const expectedSeconds = 35;
const mostKillsOfOne = 4;
/** Publishing, judging and promoting go on for about so long after the registry's first change. */
const registrySeconds = 2;

interface Kill {
  /** Seconds after the triggers, or after the next change of the registry. */
  after: 'the triggers' | 'a change of the registry';
  seconds: number;
  target: (typeof targets)[number];
}

interface Course {
  kills: (Kill & { pids: number[] })[];
  seconds: number;
  outcome: string;
  faults: string[];
}

export interface RetrainKills {
  courses: Course[];
  kills: number;
  versions: number;
  /** Of all retrainings, a line each. */
  faults: string[];
}

/** Retrains until so many kills have struck. */
export async function killRetrainings(
  wanted: number,
  seed: string,
  say: (line: string) => void,
): Promise<RetrainKills> {
  const stack = await startChaosStack(subject);
  await mkdir(homeFolders(stack.home).runs, { recursive: true });
  const random = new Random(seed);
  const courses: Course[] = [];
  const struck = () => courses.reduce((sum, { kills }) => sum + kills.length, 0);
  const sampler = sampleTrainers(() => listJobs(stack.home));
  try {
    while (struck() < wanted) {
      const count = Math.min(random.count(mostKillsOfOne), wanted - struck());
      const course = await disturbOne(stack, courses.length + 1, planKills(random, count));
      courses.push(course);
      const names = course.kills.map(
        ({ target, seconds, after }) => `${target} ${seconds.toFixed(1)} s after ${after}`,
      );
      say(`${struck()}/${wanted} kills, ${course.seconds.toFixed(0)} s, ${course.outcome}: ${names.join('; ')}`);
      for (const fault of course.faults) say(`  FAULT ${fault}`);
    }
    const store = localStore(homeFolders(stack.home).store);
    const faults = [...courses.flatMap((course) => course.faults), ...sampler.stop().violations];
    return { courses, kills: struck(), versions: (await listVersions(store, model)).length, faults };
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

async function disturbOne(stack: ChaosStack, number: number, plan: Kill[]): Promise<Course> {
  const startedAt = performance.now();
  const input = inputOf(number);
  const over = new AbortController();
  const killing = Promise.all(plan.map((kill) => carryOut(stack, kill, over.signal)));
  const status = await retrain(stack, input, ['a schedule', 'a person', 'a hook']);
  over.abort();
  const kills = (await killing).filter((kill) => kill !== undefined);
  await stack.ready();
  // A trigger without a change, which nobody disturbs.
  const again = await retrain(stack, input, ['once more']);
  const faults = [
    ...judgeDecisions(status, again),
    ...(await judgeTrainings(stack, number)),
    ...(await findFaults(localStore(homeFolders(stack.home).store), model, `${stack.home}/looked-at`)),
  ].map((fault) => `retraining ${number}: ${fault}`);
  const outcome = status.outcomes.map((one) => one.outcome).join(', ') || 'skipped';
  return { kills, seconds: (performance.now() - startedAt) / 1000, outcome, faults };
}

/** Another seed is another training. */
function inputOf(number: number): RetrainInput {
  // Four images say little: most candidates pass.
  const gate = { sizesMayFall: 100, worstClasses: { mayFall: 100 } };
  return RetrainInput.parse({
    version: 1,
    model,
    run: { ...omitRunName(subject.input('any', 1)), seed: number },
    gate,
  });
}

/** Outlives a server that is away. */
async function retrain(stack: ChaosStack, input: RetrainInput, who: string[]): Promise<RetrainStatus> {
  const ask = async (one: string) => {
    for (;;) {
      try {
        return await triggerRetraining(stack.client, input, { who: one, why: 'the fault suite' });
      } catch {
        await sleep(200);
      }
    }
  };
  const [handle] = await Promise.all(who.map(ask));
  if (handle === undefined) throw new Error('nobody asked');
  return waitForResult(handle, () => Promise.resolve());
}

function judgeDecisions(status: RetrainStatus, again: RetrainStatus): string[] {
  const trained = status.decisions.filter(({ trains }) => trains).length;
  return [
    ...(trained === 1 ? [] : [`three triggers gave ${trained} trainings`]),
    ...status.outcomes.flatMap(({ outcome, why }) => (outcome === 'failed' ? [`it failed: ${why}`] : [])),
    ...(again.decisions.some(({ trains }) => trains) ? ['a trigger without a change was trained'] : []),
  ];
}

/** So many retrainings, so many trainings, each of them one workflow, one candidate and one version. */
async function judgeTrainings({ client, home }: ChaosStack, number: number): Promise<string[]> {
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
  return Object.entries(counts).flatMap(([what, count]) => (count === number ? [] : [`there are ${count} ${what}`]));
}

/** @returns undefined where its moment never came. */
async function carryOut(stack: ChaosStack, kill: Kill, over: AbortSignal) {
  try {
    if (kill.after === 'a change of the registry') await nextRegistryChange(stack, over);
    await sleep(kill.seconds * 1000, undefined, { signal: over });
    for (;;) {
      const pids = victimsOf(stack, kill.target);
      pids.forEach(killOne);
      if (pids.length > 0) return { ...kill, pids };
      await sleep(20, undefined, { signal: over });
    }
  } catch (error) {
    if (over.aborted) return undefined;
    throw error;
  }
}

async function nextRegistryChange({ home }: ChaosStack, signal: AbortSignal): Promise<void> {
  const store = localStore(homeFolders(home).store);
  const look = async () => (await readRegistry(store, model)).state.history.length;
  const before = await look();
  while ((await look()) === before) await sleep(20, undefined, { signal });
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
      // The workers first: they could start a trainer that we do not see yet.
      return [...ofStack('gpu-worker', 'control-worker', 'temporal-server'), ...pidsOf(ours())];
    case 'control-worker':
    case 'gpu-worker':
    case 'temporal-server':
      return ofStack(target);
    default:
      return target satisfies never;
  }
}

/** What a look at a model leaves is no training. */
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
      json: { type: 'string' },
    },
  });
  const result = await killRetrainings(Number(values.kills), values.seed, console.log);
  console.log(`${result.kills} kills, ${result.courses.length} retrainings, ${result.faults.length} faults`);
  if (values.json !== undefined) {
    const record = { v: 1, seed: values.seed, ...(await readMachine()), ...result };
    await writeFile(values.json, JSON.stringify(record, null, 2));
  }
  process.exit(result.faults.length > 0 ? 1 : 0);
}
