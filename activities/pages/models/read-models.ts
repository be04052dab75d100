import { lstat } from 'node:fs/promises';
import { runFolder } from '../../../configs/paths.ts';
import {
  ModelName,
  type GateVerdict,
  type ModelVersion,
  type RegistryState,
  type VersionId,
} from '../../../configs/schema/index.ts';
import type { ArtifactStore } from '../../shared/store/artifact-store.ts';
import { CodedError } from '../../shared/errors/coded-error.ts';
import { ignoreMissing } from '../../shared/files/ignore-missing.ts';
import { withTemporaryFolder } from '../../shared/files/scratch-folder.ts';
import { readRegistry } from '../../registry/registry-state.ts';
import { readVerdict } from '../../registry/verdicts.ts';
import { listModels, listVersions, readVersion } from '../../registry/versions.ts';

/** Value, or the reason why it cannot be read. */
export type Readable<T> = { readonly value: T } | { readonly problem: string };

/** Row of the list of models. */
export interface ModelSummary {
  readonly model: string;
  readonly state: Readable<RegistryState>;
  /** Null before the first promotion. */
  readonly champion: Readable<ModelVersion> | null;
  readonly versions: number;
}

export interface VersionDetails {
  readonly id: VersionId;
  readonly version: Readable<ModelVersion>;
  /** True if the run, and so its page, is on this machine. */
  readonly isRunLocal: boolean;
}

export interface VerdictDetails {
  readonly sha256: string;
  readonly verdict: Readable<GateVerdict>;
}

/** Content of the page of one model. */
export interface ModelDetails {
  readonly model: string;
  readonly state: RegistryState;
  /** Newest first. */
  readonly versions: readonly VersionDetails[];
  /** Newest first, limited to the latest ones. */
  readonly verdicts: readonly VerdictDetails[];
}

export interface ModelReader {
  /** Address of the model store. */
  readonly address: string;
  readonly list: () => Promise<ModelSummary[]>;
  /** @returns undefined if the store has no such model. @throws CodedError StoreDamaged. */
  readonly read: (model: string) => Promise<ModelDetails | undefined>;
}

const maxVerdicts = 20;
/** Maximum number of cached versions and verdicts, which never change. */
const maxCachedDocuments = 1000;

/** Creates a read-only view of a registry that caches immutable documents. */
export function createModelReader(home: string, store: ArtifactStore): ModelReader {
  const documents = new DocumentCache(maxCachedDocuments);
  const readCached = <T>(key: string, fetch: (folder: string) => Promise<T>): Promise<Readable<T>> =>
    catchDamage(documents.get(key, () => withTemporaryFolder(fetch)));
  const version = (model: string, id: VersionId) =>
    readCached(`${model}/${id}`, (folder) => readVersion(store, model, id, { folder }));
  const verdict = (model: string, sha256: string) =>
    readCached(`${model}/${sha256}`, (folder) => readVerdict(store, model, sha256, { folder }));

  const list = async () => {
    const models = (await listModels(store)).filter((name) => ModelName.safeParse(name).success);
    return Promise.all(
      models.map(async (model): Promise<ModelSummary> => {
        const [state, versions] = await Promise.all([
          catchDamage(readRegistry(store, model).then((found) => found.state)),
          listVersions(store, model),
        ]);
        const champion = 'value' in state ? state.value.champion : null;
        return {
          model,
          state,
          versions: versions.length,
          champion: champion === null ? null : await version(model, champion),
        };
      }),
    );
  };

  const read = async (model: string): Promise<ModelDetails | undefined> => {
    const [{ state }, ids] = await Promise.all([readRegistry(store, model), listVersions(store, model)]);
    if (state.history.length === 0 && ids.length === 0) return undefined;
    const evidence = [...new Set(state.history.flatMap((change) => change.evidence ?? []))];
    const [versions, verdicts] = await Promise.all([
      Promise.all(ids.map(async (id) => toVersionDetails(home, id, await version(model, id)))),
      Promise.all(
        evidence
          .slice(-maxVerdicts)
          .reverse()
          .map(async (sha256) => ({ sha256, verdict: await verdict(model, sha256) })),
      ),
    ]);
    return { model, state, versions: versions.sort((a, b) => createdAt(b) - createdAt(a)), verdicts };
  };

  return { address: store.address, list, read };
}

async function toVersionDetails(home: string, id: VersionId, version: Readable<ModelVersion>): Promise<VersionDetails> {
  const root = 'value' in version ? runFolder(home, version.value.runId).root : undefined;
  // Links are rejected, so that pages show only the folder of runs.
  const isHere = root !== undefined && (await ignoreMissing(lstat(root)))?.isDirectory() === true;
  return { id, version, isRunLocal: isHere };
}

const createdAt = ({ version }: VersionDetails): number => ('value' in version ? version.value.createdAt : 0);

/** Turns damage of one document into a value, so that the others stay visible. Other errors are thrown. */
async function catchDamage<T>(reading: Promise<T>): Promise<Readable<T>> {
  try {
    return { value: await reading };
  } catch (error) {
    const isDamage = error instanceof CodedError && (error.code === 'StoreDamaged' || error.code === 'NotInCatalog');
    if (!isDamage) throw error;
    return { problem: error.message };
  }
}

/** Cache that evicts the oldest document. */
class DocumentCache {
  private readonly documents = new Map<string, unknown>();
  private readonly maxSize: number;

  constructor(most: number) {
    this.maxSize = most;
  }

  async get<T>(key: string, read: () => Promise<T>): Promise<T> {
    // Each key belongs to one type of document.
    if (this.documents.has(key)) return this.documents.get(key) as T;
    const document = await read();
    this.documents.set(key, document);
    for (const oldest of [...this.documents.keys()].slice(0, -this.maxSize)) this.documents.delete(oldest);
    return document;
  }
}
