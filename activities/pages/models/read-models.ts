import { lstat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
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
import { withScratchFolder } from '../../shared/files/scratch-folder.ts';
import { readRegistry } from '../../registry/registry-state.ts';
import { readVerdict } from '../../registry/verdicts.ts';
import { listModels, listVersions, readVersion } from '../../registry/versions.ts';

/** What was found, or why it could not be read. */
export type Readable<T> = { readonly is: T } | { readonly problem: string };

/** One line of the list of models. */
export interface ModelSummary {
  readonly model: string;
  readonly state: Readable<RegistryState>;
  /** Null where there is none. */
  readonly champion: Readable<ModelVersion> | null;
  readonly versions: number;
}

export interface VersionDetails {
  readonly id: VersionId;
  readonly version: Readable<ModelVersion>;
  /** Its run, and so its page, is on this machine. */
  readonly isRunLocal: boolean;
}

export interface VerdictDetails {
  readonly sha256: string;
  readonly verdict: Readable<GateVerdict>;
}

/** All that the page of one model shows. */
export interface ModelDetails {
  readonly model: string;
  readonly state: RegistryState;
  /** The newest first. */
  readonly versions: readonly VersionDetails[];
  /** The newest first; of older ones the history has the name. */
  readonly verdicts: readonly VerdictDetails[];
}

export interface ModelReader {
  /** Address of the store that it reads. */
  readonly address: string;
  readonly list: () => Promise<ModelSummary[]>;
  /** Undefined where the store has no such model. @throws CodedError StoreDamaged. */
  readonly read: (model: string) => Promise<ModelDetails | undefined>;
}

const maxVerdicts = 20;
/** So many documents that never change are remembered: versions and verdicts. */
const maxCachedDocuments = 1000;

/** Reads a registry and changes nothing. What never changes is read once. */
export function createModelReader(home: string, store: ArtifactStore): ModelReader {
  const documents = new DocumentCache(maxCachedDocuments);
  const readCached = <T>(key: string, fetch: (folder: string) => Promise<T>): Promise<Readable<T>> =>
    catchDamage(documents.get(key, () => withScratchFolder(`${tmpdir()}/everswin-pages`, fetch)));
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
        const champion = 'is' in state ? state.is.champion : null;
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
  const root = 'is' in version ? runFolder(home, version.is.runId).root : undefined;
  // Not a link: what is shown of a run lies in the folder of runs.
  const isHere = root !== undefined && (await ignoreMissing(lstat(root)))?.isDirectory() === true;
  return { id, version, isRunLocal: isHere };
}

const createdAt = ({ version }: VersionDetails): number => ('is' in version ? version.is.createdAt : 0);

/** One thing that is damaged hides no other. @throws what is no CodedError StoreDamaged or NotInCatalog. */
async function catchDamage<T>(reading: Promise<T>): Promise<Readable<T>> {
  try {
    return { is: await reading };
  } catch (error) {
    const isOfOne = error instanceof CodedError && (error.code === 'StoreDamaged' || error.code === 'NotInCatalog');
    if (!isOfOne) throw error;
    return { problem: error.message };
  }
}

/** Of one more than it holds, the one that was read first is read anew. */
class DocumentCache {
  private readonly documents = new Map<string, unknown>();
  private readonly maxSize: number;

  constructor(most: number) {
    this.maxSize = most;
  }

  async get<T>(key: string, read: () => Promise<T>): Promise<T> {
    // Each key belongs to one kind of document.
    if (this.documents.has(key)) return this.documents.get(key) as T;
    const document = await read();
    this.documents.set(key, document);
    for (const oldest of [...this.documents.keys()].slice(0, -this.maxSize)) this.documents.delete(oldest);
    return document;
  }
}
