import { modelKeys } from '../../configs/names.ts';
import { RegistryState, type RegistryChange, type VersionId } from '../../configs/schema/index.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { CodedError } from '../shared/errors/coded-error.ts';

export interface RegistrySnapshot {
  state: RegistryState;
  /** Null while there is none yet. */
  etag: string | null;
}

/** @throws CodedError StoreDamaged when it is there and does not parse. */
export async function readRegistry(
  store: ArtifactStore,
  model: string,
  signal?: AbortSignal,
): Promise<RegistrySnapshot> {
  const key = modelKeys(model).state;
  const found = await store.read(key, signal);
  if (found === undefined) return { state: { v: 1, model, champion: null, candidate: null, history: [] }, etag: null };
  try {
    return { state: RegistryState.parse(JSON.parse(found.body)), etag: found.etag };
  } catch (error) {
    throw new CodedError('StoreDamaged', `${store.address}/${key} is no state of a model.`, { cause: error });
  }
}

export type ChangeRequest = Omit<RegistryChange, 'from' | 'at'>;

/**
 * One change of one model's pointer: done whole or not at all. Asked for again after a kill it finds itself done.
 * @param expected the champion that whoever decided had seen.
 * @throws CodedError StoreConflict when the champion is another one by now, or somebody else wrote first.
 */
export async function changeRegistry(
  store: ArtifactStore,
  model: string,
  wanted: ChangeRequest,
  { expected, at, signal }: { expected: VersionId | null; at: number; signal?: AbortSignal },
): Promise<RegistryState> {
  const { state, etag } = await readRegistry(store, model, signal);
  if (isLastChange(state, wanted, expected)) return state;
  if (state.champion !== expected)
    throw new CodedError(
      'StoreConflict',
      `The champion of ${model} is ${state.champion ?? 'none'}; ${wanted.action} of ${wanted.version} was decided against ${expected ?? 'none'}.`,
    );
  const next = applyChange(state, { ...wanted, from: state.champion, at });
  await store.replace(modelKeys(model).state, JSON.stringify(next), { ifMatch: etag, ...(signal && { signal }) });
  return next;
}

/** Pure. */
export function applyChange(state: RegistryState, change: RegistryChange): RegistryState {
  const { action, version } = change;
  const history = [...state.history, change];
  switch (action) {
    case 'candidate':
      return { ...state, candidate: version, history };
    case 'reject':
      return { ...state, candidate: state.candidate === version ? null : state.candidate, history };
    case 'promote':
      return { ...state, champion: version, candidate: state.candidate === version ? null : state.candidate, history };
    case 'rollback':
      return { ...state, champion: version, history };
    default:
      return action satisfies never;
  }
}

/** Which version was champion before the one of now. @throws CodedError InvalidInput when there was none. */
export function previousChampion({ model, champion, history }: RegistryState): VersionId {
  const put = history.findLast(({ action, version }) => isPromotion(action) && version === champion);
  if (put?.from == null) throw new CodedError('InvalidInput', `${model} had no champion before ${champion ?? 'this'}.`);
  return put.from;
}

const isPromotion = (action: RegistryChange['action']): boolean => action === 'promote' || action === 'rollback';

/** Nobody does the same twice in a row by intention; who is killed after it was written, and tries again, does. */
function isLastChange({ history }: RegistryState, wanted: ChangeRequest, expected: VersionId | null): boolean {
  const last = history.at(-1);
  return (
    last?.action === wanted.action &&
    last.version === wanted.version &&
    last.from === expected &&
    last.evidence === wanted.evidence
  );
}
