/** A model that is trained anew as its data change, with stubs for everything beside the workflows. */
import { RetrainInput, type RegistryState, type VersionId } from '../../configs/schema/index.ts';
import { miniInput, miniPlan } from './mini-run.ts';
import { trainingOf } from './training-of.ts';
import { anAttempt, type StubbedActivities } from './workflow-env.ts';

let count = 0;
const run = trainingOf(miniInput);

/** A valid input of a model that no other test has. @param change of what it says of the run, too. */
export const freshRetrainInput = ({ run: changed = {}, ...change }: { run?: object; [field: string]: unknown } = {}) =>
  RetrainInput.parse({ version: 1, model: `m${process.pid}-${count++}`, run: { ...run, ...changed }, ...change });

/** A registry in memory that behaves like the real one, and counts what is trained. */
export function createWorld(passes: (candidate: VersionId) => boolean = () => true) {
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
        version: { id, test: { annotationsSha256: 'same', images: 1, trainerCode: 'same' } } as never,
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
    /** New data, recipe or code. */
    change: (to: string) => (data = to),
  };
}
