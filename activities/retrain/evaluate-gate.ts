import { createHash } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { modelKeys } from '../../configs/names.ts';
import { homeFolders } from '../../configs/paths.ts';
import type { GateRules, GateVerdict, VersionId } from '../../configs/schema/index.ts';
import type { RetrainDependencies } from './dependencies.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { fetchReport } from '../shared/store/fetch-report.ts';
import { compareRuns } from '../compare/compare-runs.ts';
import { comparedFiles, loadRun, type ComparedRun } from '../compare/load-run.ts';
import { withScratchFolder } from '../shared/files/scratch-folder.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';
import { formatFindings, evaluateCandidate } from './evaluate-candidate.ts';
import { fetchVersionFiles, readVersion } from '../registry/versions.ts';

interface GateRequest {
  model: string;
  store: string;
  candidate: VersionId;
  champion: VersionId | null;
  /** Evaluation run of the champion on the candidate's data; null if its own test used the same data. */
  championRun: string | null;
  rules: GateRules;
}

interface GateOutcome {
  passed: boolean;
  why: string;
  /** sha256 of the verdict document in the store. */
  evidence: string;
}

/** Evaluates a candidate by the gate rules of the plan and stores the verdict. */
export const createEvaluateGate =
  (dependencies: RetrainDependencies) =>
  (request: GateRequest): Promise<GateOutcome> =>
    withHeartbeat(
      () => `evaluating ${request.candidate}`,
      () =>
        withScratchFolder(homeFolders(dependencies.home).downloads, (folder) =>
          evaluateGate(dependencies, request, folder),
        ),
    );

async function evaluateGate(
  { openStore }: RetrainDependencies,
  request: GateRequest,
  folder: string,
): Promise<GateOutcome> {
  const { model, candidate, champion, rules } = request;
  const { cancellationSignal: signal } = Context.current();
  const store = openStore(request.store);
  const ours = await loadVersion(store, model, candidate, { folder: `${folder}/candidate`, signal });
  const theirs = champion === null ? undefined : await loadChampion(store, request, champion, { folder, signal });
  const findings =
    theirs === undefined
      ? [{ rule: 'comparison with the champion', passed: true, message: 'no champion yet: the first version passes' }]
      : evaluateCandidate(
          {
            comparison: compareRuns([theirs, ours], Date.now() / 1000),
            weightsBytes: ours.weightsBytes,
            testSeconds: { champion: theirs.report.metrics.seconds, candidate: ours.report.metrics.seconds },
          },
          rules,
        );
  const scoresOf = (kind: 'bbox' | 'segm') => ({
    candidate: ours.report.metrics[kind].AP,
    champion: theirs?.report.metrics[kind].AP ?? null,
  });
  const passed = findings.every((one) => one.passed);
  const verdict: GateVerdict = {
    v: 1,
    model,
    candidate,
    champion,
    passed,
    findings,
    rules,
    bbox: scoresOf('bbox'),
    segm: scoresOf('segm'),
  };
  const text = JSON.stringify(verdict, null, 2);
  const evidence = createHash('sha256').update(text).digest('hex');
  await writeFileAtomic(`${folder}/verdict.json`, text);
  await store.put(modelKeys(model).verdict(evidence), `${folder}/verdict.json`, { sha256: evidence, signal });
  const why = champion === null ? 'first version of the model' : formatFindings(findings);
  return { passed, why, evidence };
}

interface Scratch {
  folder: string;
  signal: AbortSignal;
}

async function loadVersion(
  store: ArtifactStore,
  model: string,
  id: VersionId,
  { folder, signal }: Scratch,
): Promise<ComparedRun & { weightsBytes: number }> {
  const version = await readVersion(store, model, id, { folder, signal });
  await fetchVersionFiles(store, version, comparedFiles, { folder, signal });
  return { ...(await loadRun(folder)), weightsBytes: version.weights.bytes };
}

async function loadChampion(
  store: ArtifactStore,
  { model, championRun }: GateRequest,
  champion: VersionId,
  scratch: Scratch,
): Promise<ComparedRun> {
  const folder = `${scratch.folder}/champion`;
  if (championRun === null) return loadVersion(store, model, champion, { ...scratch, folder });
  await fetchReport(store, championRun, comparedFiles, { ...scratch, folder });
  return loadRun(folder);
}
