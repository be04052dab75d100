import { stat } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import {
  Analysis,
  EvalMetrics,
  Report,
  RunPlan,
  versionId,
  type Fingerprint,
  type ModelVersion,
  type VersionId,
} from '../../configs/schema/index.ts';
import { formatTrainerVersion, testedBy } from '../../configs/trainer-versions.ts';
import type { RetrainDependencies } from './dependencies.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { fetchReport } from '../shared/store/fetch-report.ts';
import { comparedFiles } from '../compare/load-run.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { readJson } from '../shared/files/json-file.ts';
import { withScratchFolder } from '../shared/files/scratch-folder.ts';
import { withConvertedWeights } from '../inputs/convert-weights.ts';
import { changeRegistry, readRegistry } from '../registry/registry-state.ts';
import { publishVersion } from '../registry/versions.ts';
import { restoreFromStore } from '../mirror/mirror.ts';

interface CandidateRequest {
  model: string;
  store: string;
  /** Finished run, on this machine or in its artifact store. */
  runId: string;
  fingerprint: Fingerprint;
  who: string;
  why: string;
}

const weightsFile = 'weights.safetensors';
const reportFiles = [...comparedFiles, 'index.html'];

/** Publishes a finished run as a version and makes it the candidate. Idempotent. */
export const createPublishCandidate =
  (dependencies: RetrainDependencies) =>
  (request: CandidateRequest): Promise<VersionId> =>
    withHeartbeat(
      () => `publishing ${request.runId}`,
      () =>
        withScratchFolder(homeFolders(dependencies.home).downloads, (folder) =>
          publishCandidate(dependencies, request, folder),
        ),
    );

async function publishCandidate(
  dependencies: RetrainDependencies,
  { model, store: address, runId, fingerprint, who, why }: CandidateRequest,
  folder: string,
): Promise<VersionId> {
  const { home, openStore } = dependencies;
  const { cancellationSignal: signal } = Context.current();
  const store = openStore(address);
  const place = runFolder(home, runId);
  const plan = await readJson(place.plan, RunPlan);
  if (plan === undefined) throw missing(place.plan);
  await restoreFromStore(dependencies, plan, null);
  const metrics = await readJson(place.metrics, EvalMetrics);
  if (metrics === undefined) throw missing(place.metrics);
  const files = await fetchReport(store, runId, reportFiles, { folder, signal });
  const [report, analysis] = await Promise.all([
    readJson(`${folder}/report.json`, Report),
    readJson(`${folder}/analysis.json`, Analysis),
  ]);
  if (report === undefined || analysis === undefined) throw missing(`the report of ${runId} in ${store.address}`);

  const { name: recipe, sha256: recipeSha256 } = plan.recipe;
  const path = `${place.train.checkpoints}/${metrics.checkpoint}`;
  const conversion = { ...dependencies, signal, recipe, part: 'detector', path, file: metrics.checkpoint } as const;
  return withConvertedWeights(conversion, async (converted) => {
    const { size: bytes } = await stat(converted.path);
    const weights = { file: weightsFile, sha256: converted.sha256, bytes };
    const version: ModelVersion = {
      v: 1,
      id: versionId(runId, converted.sha256),
      model,
      runId,
      createdAt: report.createdAt,
      recipe: { name: recipe, sha256: recipeSha256 },
      planHash: plan.planHash,
      fingerprint,
      weights,
      test: {
        annotationsSha256: analysis.annotationsSha256,
        images: metrics.images,
        trainerCode: plan.versions.trainerCode,
        trainerVersion: formatTrainerVersion(report.metrics.code ?? plan.versions, testedBy),
      },
      bbox: metrics.bbox,
      segm: metrics.segm,
      ...publishedDetector(report),
      files: files.map(({ file, sha256, bytes: size }) => ({ file, sha256, bytes: size })),
    };
    await publishVersion(store, version, [{ ...weights, path: converted.path }, ...files], { folder, signal });
    await nameCandidate(store, { model, version: version.id, who, why }, signal);
    return version.id;
  });
}

function publishedDetector({ detector }: Report): Pick<ModelVersion, 'detector'> {
  const sha256 = detector?.files.find(({ file }) => file === 'model.pth')?.sha256;
  return detector === undefined || sha256 === undefined ? {} : { detector: { uri: detector.uri, sha256 } };
}

async function nameCandidate(
  store: ArtifactStore,
  { model, version, who, why }: { model: string; version: VersionId; who: string; why: string },
  signal: AbortSignal,
): Promise<void> {
  const { state } = await readRegistry(store, model, signal);
  const isKnown = state.history.some(({ action, version: known }) => action === 'candidate' && known === version);
  if (isKnown) return;
  const change = { action: 'candidate', version, who, why, evidence: null } as const;
  await changeRegistry(store, model, change, { expected: state.champion, at: Date.now() / 1000, signal });
}

const missing = (what: string): CodedError =>
  new CodedError(
    'NotComparable',
    `The run cannot be published: ${what} is missing. Only a finished run with an analysis can be published.`,
  );
