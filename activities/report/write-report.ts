import { mkdir } from 'node:fs/promises';
import type { z } from 'zod';
import { objectKeys } from '../../configs/names.ts';
import { buildLedger } from '../shared/summary/ledger.ts';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { formatTrainerVersion, trainerParts } from '../../configs/trainer-versions.ts';
import { comparableReferences } from '../plan/published.ts';
import {
  Analysis,
  Bootstrap,
  EpochHashes,
  FlattenedRecipe,
  GpuHealthChange,
  Incident,
  type Attempt,
  type Check,
  type Decision,
  type EpochChange,
  type DetectorRef,
  type EvalMetrics,
  type FetchedDataset,
  type FetchedWeights,
  type Report,
  type ReportRef,
  type RunPlan,
  type StepOutcome,
  type TestedMetrics,
  type Versions,
} from '../../configs/schema/index.ts';
import type { OpenStore } from '../shared/store/artifact-store.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { readJson } from '../shared/files/json-file.ts';
import { readJsonLines } from '../shared/files/json-lines.ts';
import { filterLineage } from '../shared/run/lineage.ts';
import { readWithoutSteps } from '../shared/run/progress-reader.ts';
import { RunRecord } from '../shared/run/run-record.ts';
import { measureSpeed } from '../shared/run/training-speed.ts';
import { renderHtml } from './html.ts';
import { renderMarkdown } from './markdown.ts';
import { readLossParts } from './sections/loss-parts.ts';
import { buildTimeline, collectCurves, countRepeatedSteps } from './sections/timeline.ts';
import { formatVerdict } from './verdict.ts';
import { buildRunManifest } from './run-manifest.ts';
import { removeTemporaryFiles, sha256OfFile, writeFileAtomic } from '../shared/files/atomic-file.ts';

/** Worker dependencies of the activity that writes reports. */
export interface ReportDependencies {
  home: string;
  openStore: OpenStore;
  versions: Versions;
}

export interface ReportRequest {
  plan: RunPlan;
  dataset: FetchedDataset;
  weights: FetchedWeights;
  metrics: TestedMetrics;
  /** Undefined if the run left none. */
  detector?: DetectorRef | undefined;
  checks: Check[];
  steps: StepOutcome[];
  attempts: Attempt[];
  decisions: Decision[];
  /** Absent in requests of runs that an older version started. */
  epochChanges?: EpochChange[];
  /** Start of the workflow in Unix seconds. */
  startedAt: number;
  /** Total duration of pauses by the operator. */
  pausedSeconds: number;
}

/**
 * Writes the report of a finished run as JSON, Markdown and HTML and stores it. Both pages can be rendered again from
 * report.json and analysis.json.
 */
export const createWriteReport =
  (dependencies: ReportDependencies) =>
  (request: ReportRequest): Promise<ReportRef> =>
    withHeartbeat(
      () => 'writing the report',
      () => writeReport(dependencies, request),
    );

async function writeReport(
  { home, openStore, versions }: ReportDependencies,
  request: ReportRequest,
): Promise<ReportRef> {
  const store = openStore(request.plan.input.artifacts.store);
  const folder = runFolder(home, request.plan.runId);
  const report = await gatherReport(home, request, versions);
  const analysis = await readForCheckpoint(folder.analysis, Analysis, report.metrics);
  const bootstrap = await readForCheckpoint(folder.bootstrap, Bootstrap, report.metrics);
  await mkdir(folder.report, { recursive: true });
  // An attempt whose worker was killed may have left parts.
  await removeTemporaryFiles(folder.root);
  for (const key of [objectKeys.report(report.runId, ''), objectKeys.manifest(report.runId)])
    await store.abortStaleUploads(key, 0);
  const files = {
    'report.json': JSON.stringify(report, null, 2),
    ...(analysis === undefined ? {} : { 'analysis.json': JSON.stringify(analysis) }),
    ...(bootstrap === undefined ? {} : { 'bootstrap.json': JSON.stringify(bootstrap) }),
    'report.md': renderMarkdown(report, analysis),
    'index.html': renderHtml(report, analysis),
  };
  let uri = '';
  for (const [name, content] of Object.entries(files)) {
    const path = `${folder.report}/${name}`;
    await writeFileAtomic(path, content);
    ({ uri } = await store.put(objectKeys.report(report.runId, name), path));
  }
  const manifest = await buildRunManifest(home, { ...request, environment: report.environment });
  await writeFileAtomic(folder.manifest, JSON.stringify(manifest, null, 2));
  await store.put(objectKeys.manifest(report.runId), folder.manifest);
  const page = `${folder.report}/index.html`;
  const { bbox, segm } = report.metrics;
  const bytes = Buffer.byteLength(files['index.html']);
  const { verdict, stepsRepeated, ledger } = report;
  const crashes = report.timeline.filter(({ kind }) => processDeaths.has(kind)).length;
  const sha256 = await sha256OfFile(page);
  return {
    uri,
    sha256,
    bytes,
    bbox,
    segm,
    verdict,
    crashes,
    stepsRepeated,
    goodput: ledger.goodput,
    ...(request.detector && { detector: request.detector.uri }),
  };
}

/** Reads a file that the test wrote. @returns undefined if it is missing or belongs to another checkpoint. */
async function readForCheckpoint<T extends { checkpointSha256: string }>(
  path: string,
  schema: z.ZodType<T>,
  metrics: Pick<EvalMetrics, 'checkpointSha256'>,
): Promise<T | undefined> {
  const content = await readJson(path, schema);
  return content?.checkpointSha256 === metrics.checkpointSha256 ? content : undefined;
}

async function gatherReport(
  home: string,
  {
    plan,
    dataset,
    metrics,
    detector,
    checks,
    steps,
    attempts,
    decisions,
    epochChanges = [],
    startedAt,
    pausedSeconds,
  }: ReportRequest,
  { trainer, ...versions }: Versions,
): Promise<Report> {
  const folder = runFolder(home, plan.runId);
  const record = await RunRecord.read(folder.train.progress);
  const { events } = record;
  const testEvents = (await readWithoutSteps(folder.test.progress)).filter(
    ({ type }) => type === 'tested' || type === 'warning',
  );
  const incidents = (await readJsonLines(homeFolders(home).incidents, Incident)).filter(({ at }) => at >= startedAt);
  const speed = measureSpeed(record.steps);
  const lastEpoch = filterLineage(events).findLast((event) => event.type === 'epoch');
  const gpuChanges = await readJsonLines(folder.gpuHealth, GpuHealthChange);
  const started = events.findLast((event) => event.type === 'started');
  const parts = await readLossParts(folder.train.progress, record);
  const createdAt = Date.now() / 1000;
  const references = comparableReferences(plan);
  const recipe = await readJson(folder.recipe, FlattenedRecipe);
  return {
    v: 1,
    runId: plan.runId,
    createdAt,
    verdict: formatVerdict(metrics, references),
    plan,
    recipeText: recipe?.text ?? '',
    recipeSettings: recipe?.settings ?? {},
    datasetUse: dataset.use,
    metrics,
    ...(detector && { detector }),
    references,
    ...(lastEpoch && { lastEpoch: EpochHashes.parse(lastEpoch) }),
    curves: { ...collectCurves(record), ...(parts && { parts }) },
    ...(speed && { speed }),
    timeline: buildTimeline(record, testEvents, attempts, incidents, gpuChanges),
    checks,
    steps,
    attempts,
    decisions,
    epochChanges,
    ledger: buildLedger(attempts, pausedSeconds),
    stepsRepeated: countRepeatedSteps(events),
    warnings: [
      ...dataset.warnings.map((one) => `${plan.dataset.id}: ${one}`),
      ...[...events, ...testEvents].flatMap((event) => (event.type === 'warning' ? [event.message] : [])),
    ],
    seconds: { total: createdAt - startedAt, training: trainingSeconds(attempts) },
    environment: {
      ...versions,
      trainer: formatTrainerVersion({ trainer }, trainerParts),
      node: process.version,
      device: started?.device ?? 'unknown',
      ...started?.versions,
    },
  };
}

/** Timeline events after which a process is dead. A hung trainer was killed. */
const processDeaths = new Set<string>(['crashed', 'hung', 'process-died']);

const trainingSeconds = (attempts: Attempt[]): number =>
  attempts.reduce((sum, { startedAt, endedAt }) => sum + endedAt - startedAt, 0);
