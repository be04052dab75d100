import { modelKeys } from '../../configs/names.ts';
import { RegistryState, type RegistryChange, type VersionId } from '../../configs/schema/index.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { CodedError } from '../shared/errors/coded-error.ts';

interface RegistrySnapshot {
  state: RegistryState;
  /** Null before the first change. */
  etag: string | null;
}

/** Reads the state of a model. @throws CodedError StoreDamaged if it does not parse. */
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
    throw new CodedError(
      'StoreDamaged',
      `${store.address}/${key} is not a valid model state. Restore it from a backup.`,
      { cause: error },
    );
  }
}

export type ChangeRequest = Omit<RegistryChange, 'from' | 'at'>;

/**
 * Applies one change to the state of a model, atomically and idempotently.
 * @param expected champion that the decision was based on.
 * @throws CodedError StoreConflict if the champion has changed or another writer was faster.
 */
export async function changeRegistry(
  store: ArtifactStore,
  model: string,
  change: ChangeRequest,
  { expected, at, signal }: { expected: VersionId | null; at: number; signal?: AbortSignal },
): Promise<RegistryState> {
  const { state, etag } = await readRegistry(store, model, signal);
  if (isLastChange(state, change, expected)) return state;
  if (state.champion !== expected)
    throw new CodedError(
      'StoreConflict',
      `Did not apply "${change.action} ${change.version}": the champion of ${model} changed from ${expected ?? 'none'} to ${state.champion ?? 'none'} after the decision. Compare with the new champion and decide again.`,
    );
  const next = applyChange(state, { ...change, from: state.champion, at });
  await store.replace(modelKeys(model).state, JSON.stringify(next), { ifMatch: etag, ...(signal && { signal }) });
  return next;
}

/** Returns the state after a change. Pure. */
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

/** Returns the previous champion. @throws CodedError InvalidInput if there is none. */
export function previousChampion({ model, champion, history }: RegistryState): VersionId {
  const put = history.findLast(({ action, version }) => isPromotion(action) && version === champion);
  if (put?.from == null)
    throw new CodedError(
      'InvalidInput',
      `${model} has no champion before ${champion ?? 'the first one'}, so there is nothing to roll back to.`,
    );
  return put.from;
}

const isPromotion = (action: RegistryChange['action']): boolean => action === 'promote' || action === 'rollback';

/** Detects a retry of a change that was already written. A change never legitimately repeats the previous one. */
function isLastChange({ history }: RegistryState, change: ChangeRequest, expected: VersionId | null): boolean {
  const last = history.at(-1);
  return (
    last?.action === change.action &&
    last.version === change.version &&
    last.from === expected &&
    last.evidence === change.evidence
  );
}
