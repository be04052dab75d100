import { readdir, stat } from 'node:fs/promises';
import { runFolder } from '../../configs/paths.ts';
import {
  RunPlan,
  type EvalMetrics,
  type FetchedDataset,
  type FetchedWeights,
  type Report,
  type RunManifest,
} from '../../configs/schema/index.ts';
import { startingWeights } from '../../configs/schema/plan-weights.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';
import { readJson } from '../shared/files/json-file.ts';
import { rehashObject, findManifest } from '../shared/store/objects.ts';
import { planHash } from '../plan/plan-hash.ts';
import { sha256OfFile } from '../shared/files/atomic-file.ts';

interface FinishedRun {
  plan: RunPlan;
  dataset: FetchedDataset;
  weights: FetchedWeights;
  metrics: EvalMetrics;
  environment: Report['environment'];
}

/** Builds the manifest of a run by hashing the files in its folder. */
export async function buildRunManifest(home: string, run: FinishedRun): Promise<RunManifest> {
  const { plan, dataset, weights, metrics, environment } = run;
  const { checkpointSha256, bbox, segm } = metrics;
  const { id, origin } = startingWeights(plan.weights);
  const { root } = runFolder(home, plan.runId);
  const paths = await listResults(home, plan.runId);
  const files = [];
  for (const path of paths) {
    const { size } = await stat(`${root}/${path}`);
    files.push({ path, sha256: await sha256OfFile(`${root}/${path}`), bytes: size });
  }
  return {
    v: 1,
    runId: plan.runId,
    createdAt: Date.now() / 1000,
    planHash: plan.planHash,
    seed: plan.seed,
    learningRate: plan.learningRate ?? plan.recipe.summary.lr,
    recipe: plan.recipe,
    dataset: { id: plan.dataset.id, contentKey: dataset.contentKey, archives: dataset.archives },
    weights: { id, ...(origin === undefined ? {} : { origin }), source: weights.source, converted: weights.converted },
    versions: plan.versions,
    environment,
    results: { checkpointSha256, bbox, segm },
    files,
  };
}

/** Compares files on disk with the manifest. @returns one line per mismatch, none if everything matches. */
export async function findManifestMismatches(home: string, manifest: RunManifest): Promise<string[]> {
  const { root, plan: planPath } = runFolder(home, manifest.runId);
  const mismatches: string[] = [];
  for (const { path, sha256 } of manifest.files) {
    const found = await ignoreMissing(sha256OfFile(`${root}/${path}`));
    if (found === undefined) mismatches.push(`${path} is missing`);
    else if (found !== sha256) mismatches.push(`${path} has the sha256 ${found}, expected ${sha256}`);
  }
  const { archives } = manifest.dataset;
  for (const { file, sha256 } of [...archives, manifest.weights.source, manifest.weights.converted]) {
    const object = await findManifest(home, sha256);
    if (object === undefined) mismatches.push(`${file} (${sha256}) is not in the store`);
    else if (!(await rehashObject(home, object))) mismatches.push(`${file} (${sha256}) has changed in the store`);
  }
  const plan = await readJson(planPath, RunPlan);
  if (plan === undefined) mismatches.push('plan.json is missing or invalid');
  else if (planHash(plan) !== manifest.planHash)
    mismatches.push(`plan.json has the plan hash ${planHash(plan)}, expected ${manifest.planHash}`);
  return mismatches;
}

/** Lists inputs and results of a run, without files that change while it runs, such as locks and heartbeats. */
async function listResults(home: string, runId: string): Promise<string[]> {
  const { root } = runFolder(home, runId);
  const manifestFiles =
    /^(plan\.json|recipe\.json|train\/progress\.jsonl|train\/checkpoints\/[^/.][^/]*|test\/(metrics|analysis|bootstrap|detections[^/]*)\.json|(report|detector)\/[^/.][^/]*)$/;
  const paths = (await readdir(root, { recursive: true })).filter((path) => manifestFiles.test(path)).sort();
  const areFiles = await Promise.all(paths.map(async (path) => (await stat(`${root}/${path}`)).isFile()));
  return paths.filter((_, place) => areFiles[place]);
}
