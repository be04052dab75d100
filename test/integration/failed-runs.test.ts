/** Runs that fail, on a real server: each surface explains them alike, and without a worker where it needs none. */
import { S3Client } from '@aws-sdk/client-s3';
import type { Client } from '@temporalio/client';
import { afterEach, expect, test, vi } from 'vitest';
import { createControlActivities, createGpuActivities } from '../../activities/index.ts';
import { createInputPreparer } from '../../activities/inputs/input-preparer.ts';
import { localStore } from '../../activities/shared/store/local-store.ts';
import { pagePaths, workflowId } from '../../configs/names.ts';
import type { RunInput, RunPlan } from '../../configs/schema/index.ts';
import { startRun } from '../../infra/client/start-run.ts';
import { status } from '../../infra/cli/status.ts';
import { startPageServer } from '../../infra/pages/page-server.ts';
import { startFileServer } from '../../infra/stack/file-server.ts';
import { readHtml } from '../activities/report/read-html.ts';
import { miniPreparer } from '../helpers/mini-plan.ts';
import { createMiniRun, miniPlan, type MiniRun } from '../helpers/mini-run.ts';
import { recipesFolder } from '../helpers/project.ts';
import type { StubbedActivities } from '../helpers/stub-activities.ts';
import { temporalAddress } from '../helpers/temporal-address.ts';
import { until } from '../helpers/until.ts';
import { freshInput, withWorkers } from '../helpers/workflow-env.ts';

/** What each surface must say. */
interface Explained {
  title: string;
  cause: string;
  evidence: string;
  remedy: string;
}

const failures = {
  plan: {
    title: 'UnknownRecipe while planning',
    cause: 'The run input has 3 problems:',
    evidence: 'recipe: There is no recipe "mini".',
    remedy: 'Use one of the listed recipes',
  },
  download: {
    title: 'DownloadRefused while fetching',
    cause: 'none.pth',
    evidence: '404',
    remedy: 'Check the address in the input',
  },
  training: {
    title: 'TrainingFailed (wrong-recipe) while training',
    cause: 'Training stopped: wrong-recipe: another attempt would not fix it. The recipe uses a name',
    evidence: "TypeError: Head() got an unexpected keyword argument 'depth'",
    remedy: 'Correct the recipe and start it under a new name.',
  },
  memory: {
    title: 'OutOfGpuMemory (out-of-gpu-memory) while training',
    cause: 'The GPU ran out of memory',
    evidence: 'RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB',
    remedy: 'lower batchPerGpu',
  },
} satisfies Record<string, Explained>;
type Kind = keyof typeof failures;
const kinds = Object.keys(failures) as Kind[]; // the keys of a literal

const trainers: Partial<Record<Kind, string>> = {
  training: `print('reading the recipe'); raise TypeError("Head() got an unexpected keyword argument 'depth'")`,
  memory: `raise RuntimeError('CUDA out of memory. Tried to allocate 2.00 GiB')`,
};

let run: MiniRun;
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await run.remove();
});

/** Creates activities of which each kind of run meets its failure. */
function failingActivities(kindOf: (runId: string) => Kind, demoUrl: string): Partial<StubbedActivities> {
  const { dependencies } = run;
  const { home, catalog, python, programs } = dependencies;
  const s3 = () => new S3Client({ region: 'us-east-1' });
  const preparer = createInputPreparer({ home, recipesFolder, python, catalog, demoUrl, s3 });
  dependencies.preparer = {
    ...miniPreparer,
    weights: (plan, call) => (kindOf(plan.runId) === 'download' ? preparer : miniPreparer).weights(plan, call),
  };
  const train = programs.train;
  programs.train = (...args) => {
    const code = trainers[kindOf(args[0].runId)];
    return code === undefined ? train(...args) : ['-c', code];
  };
  const control = createControlActivities(dependencies);
  const resolvePlan = (input: RunInput): Promise<RunPlan> =>
    kindOf(input.name) === 'plan'
      ? control.resolvePlan(input)
      : Promise.resolve({ ...miniPlan, runId: input.name, input });
  const checks = { checkPlan: () => Promise.resolve([]), checkMachine: () => Promise.resolve([]) }; // imports of seconds
  return { ...control, ...createGpuActivities(dependencies), ...checks, resolvePlan };
}

const squeeze = (text: string): string => text.replaceAll(/\s+/g, ' ');

async function printed(...args: Parameters<typeof status>): Promise<string> {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  vi.spyOn(console, 'error').mockImplementation(() => undefined); // the name of the server
  await status(...args);
  return log.mock.calls.splice(0).join('\n');
}

test('a run that fails at plan, download, training or for lack of memory is explained on every surface', async () => {
  run = await createMiniRun();
  const { home } = run.dependencies;
  vi.stubEnv('EVERSWIN_HOME', home);
  const address = temporalAddress();
  const runs = new Map(kinds.map((kind) => [kind, freshInput()]));
  const nameOf = (kind: Kind): string => runs.get(kind)?.name ?? '';
  const kindOf = (runId: string): Kind => kinds.find((kind) => nameOf(kind) === runId) ?? expect.fail(runId);
  const files = await startFileServer({ folder: home, port: 0 }); // has no weights
  const pages = await startPageServer({ home, store: localStore(`${home}/store`), port: 0 });
  const said = new Map<string, string>();
  try {
    await withWorkers(failingActivities(kindOf, files.url), async (client) => {
      for (const input of runs.values()) await startRun(client, input);
      for (const kind of kinds) {
        await client.workflow
          .getHandle(workflowId(nameOf(kind)))
          .result()
          .catch(() => undefined);
        said.set(`UI of ${kind}`, await detailsOf(client, nameOf(kind)));
        said.set(`status of ${kind}`, await printed(nameOf(kind), { address }));
      }
    });
    // No worker runs any more.
    const list = await until(async () => {
      const text = await printed(undefined, { address });
      return kinds.every((kind) => text.includes(failures[kind].title.split(' ')[0] ?? '')) ? text : undefined;
    });
    const index = await (await fetch(new URL(pagePaths.runs, pages.url))).text();
    for (const kind of kinds) {
      const name = nameOf(kind);
      said.set(`status of ${kind} without a worker`, await printed(name, { address }));
      const page = await fetch(new URL(pagePaths.run(name), pages.url));
      said.set(`page of ${kind}`, readHtml(await page.text()).texts.join(' '));
      const [code = ''] = failures[kind].title.split(' ');
      expect(list).toMatch(new RegExp(`${name} +failed .*\\n +${code}: `));
      expect(readHtml(index).texts.join(' ')).toMatch(new RegExp(`${name} .*Failed +${code}: `));
    }
    for (const [surface, text] of said) {
      const explained = failures[kinds.find((kind) => surface.includes(kind)) ?? 'plan'];
      for (const part of Object.values(explained)) expect(squeeze(text), surface).toContain(part);
      expect(text, surface).not.toMatch(/\\n|\\"/); // escaped JSON
    }
    for (const surface of ['page', 'status'] as const) expect(said.get(`${surface} of training`)).toMatch(/log/i);
    expect(said.get('page of training')).toContain('reading the recipe');
  } finally {
    await Promise.all([files.close(), pages.close()]);
  }
});

async function detailsOf({ workflow }: Client, name: string): Promise<string> {
  const { currentDetails } = await workflow
    .getHandle(workflowId(name))
    .query<{ currentDetails: string }>('__temporal_workflow_metadata');
  return currentDetails;
}
