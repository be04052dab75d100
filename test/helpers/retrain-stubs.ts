/** Stubs of all activities for a model that is retrained when its data change. */
import { RetrainInput, type ModelVersion, type RegistryState, type VersionId } from '../../configs/schema/index.ts';
import { miniInput, miniPlan } from './mini-run.ts';
import { omitRunName } from './omit-run-name.ts';
import { anAttempt, aReport, type StubbedActivities } from './stub-activities.ts';

const zeros = '0'.repeat(64);
const someVersion: Omit<ModelVersion, 'id'> = {
  v: 1,
  model: 'm',
  runId: 'run',
  createdAt: 1,
  recipe: { name: 'mini', sha256: zeros },
  planHash: zeros,
  fingerprint: { sha256: zeros, parts: {} },
  weights: { file: 'w', sha256: zeros, bytes: 1 },
  test: { annotationsSha256: zeros, images: 1, trainerCode: zeros },
  bbox: aReport.bbox,
  segm: aReport.segm,
  files: [],
};

let count = 0;
const run = omitRunName(miniInput);

/** Creates a valid input with a unique model. @param change overrides fields, including those of `run`. */
export const freshRetrainInput = ({ run: changed = {}, ...change }: { run?: object; [field: string]: unknown } = {}) =>
  RetrainInput.parse({ version: 1, model: `m${process.pid}-${count++}`, run: { ...run, ...changed }, ...change });

/** Creates stubs with an in-memory registry that records trained runs. */
export function createRetrainStubs(passes: (candidate: VersionId) => boolean = () => true) {
  let state: RegistryState = { v: 1, model: 'm', champion: null, candidate: null, history: [] };
  let data = 'a';
  const trained: string[] = [];
  const notes: string[] = [];
  const fingerprint = () => ({ sha256: data.repeat(64), parts: { dataset: data } });
  let last: string | null = null;
  const activities: Partial<StubbedActivities> = {
    resolvePlan: (input) => Promise.resolve({ ...miniPlan, runId: input.name, input }),
    detectChanges: () =>
      Promise.resolve({
        fingerprint: fingerprint(),
        champion: state.champion,
        last: state.candidate,
        changed: last === data ? null : `changed: dataset (was ${last}, is ${data})`,
      }),
    runTraining: ({ plan, attempt }) => {
      trained.push(plan.runId);
      notes.push(plan.input.note ?? '');
      return Promise.resolve(anAttempt({ attempt }));
    },
    publishCandidate: ({ runId }) => {
      last = runId.at(-1) ?? null;
      return Promise.resolve(`${runId}@${runId.slice(-12)}`);
    },
    readModel: () => Promise.resolve(state),
    readVersion: ({ id }) =>
      Promise.resolve({
        version: { ...someVersion, id },
        source: { file: 'w', urls: ['file:///w'], bytes: 1, sha256: null },
      }),
    evaluateGate: ({ candidate }) =>
      Promise.resolve({
        passed: passes(candidate),
        why: passes(candidate) ? 'passed' : 'rejected: worse',
        evidence: 'e'.repeat(64),
      }),
    changeModel: ({ wanted }) => {
      if (wanted.action === 'promote') state = { ...state, champion: wanted.version };
      return Promise.resolve(state);
    },
  };
  return {
    activities,
    trained,
    notes,
    champion: () => state.champion,
    /** Changes the data. */
    change: (to: string) => (data = to),
  };
}
