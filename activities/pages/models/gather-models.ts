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
export type Found<T> = { readonly is: T } | { readonly problem: string };

/** One line of the list of models. */
export interface ListedModel {
  readonly model: string;
  readonly state: Found<RegistryState>;
  /** Null where there is none. */
  readonly champion: Found<ModelVersion> | null;
  readonly versions: number;
}

export interface ListedVersion {
  readonly id: VersionId;
  readonly version: Found<ModelVersion>;
  /** Its run, and so its page, is on this machine. */
  readonly isHere: boolean;
}

export interface ShownVerdict {
  readonly sha256: string;
  readonly verdict: Found<GateVerdict>;
}

/** All that the page of one model shows. */
export interface ModelStory {
  readonly model: string;
  readonly state: RegistryState;
  /** The newest first. */
  readonly versions: readonly ListedVersion[];
  /** The newest first; of older ones the history has the name. */
  readonly verdicts: readonly ShownVerdict[];
}

export interface ModelGatherer {
  /** Address of the store that it reads. */
  readonly address: string;
  readonly list: () => Promise<ListedModel[]>;
  /** Undefined where the store has no such model. @throws CodedError StoreDamaged. */
  readonly look: (model: string) => Promise<ModelStory | undefined>;
}

const shownVerdicts = 20;
/** So many documents that never change are remembered: versions and verdicts. */
const rememberedDocuments = 1000;

/** Reads a registry and changes nothing. What never changes is read once. */
export function modelGatherer(home: string, store: ArtifactStore): ModelGatherer {
  const documents = new Memory(rememberedDocuments);
  const read = <T>(key: string, fetch: (folder: string) => Promise<T>): Promise<Found<T>> =>
    orProblem(documents.recall(key, () => withScratchFolder(`${tmpdir()}/everswin-pages`, fetch)));
  const version = (model: string, id: VersionId) =>
    read(`${model}/${id}`, (folder) => readVersion(store, model, id, { folder }));
  const verdict = (model: string, sha256: string) =>
    read(`${model}/${sha256}`, (folder) => readVerdict(store, model, sha256, { folder }));

  const list = async () => {
    const models = (await listModels(store)).filter((name) => ModelName.safeParse(name).success);
    return Promise.all(
      models.map(async (model): Promise<ListedModel> => {
        const [state, versions] = await Promise.all([
          orProblem(readRegistry(store, model).then((found) => found.state)),
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

  const look = async (model: string): Promise<ModelStory | undefined> => {
    const [{ state }, ids] = await Promise.all([readRegistry(store, model), listVersions(store, model)]);
    if (state.history.length === 0 && ids.length === 0) return undefined;
    const evidence = [...new Set(state.history.flatMap((change) => change.evidence ?? []))];
    const [versions, verdicts] = await Promise.all([
      Promise.all(ids.map(async (id) => listVersion(home, id, await version(model, id)))),
      Promise.all(
        evidence
          .slice(-shownVerdicts)
          .reverse()
          .map(async (sha256) => ({ sha256, verdict: await verdict(model, sha256) })),
      ),
    ]);
    return { model, state, versions: versions.sort((a, b) => madeAt(b) - madeAt(a)), verdicts };
  };

  return { address: store.address, list, look };
}

async function listVersion(home: string, id: VersionId, version: Found<ModelVersion>): Promise<ListedVersion> {
  const root = 'is' in version ? runFolder(home, version.is.runId).root : undefined;
  // Not a link: what is shown of a run lies in the folder of runs.
  const isHere = root !== undefined && (await ignoreMissing(lstat(root)))?.isDirectory() === true;
  return { id, version, isHere };
}

const madeAt = ({ version }: ListedVersion): number => ('is' in version ? version.is.createdAt : 0);

/** One thing that is damaged hides no other. @throws what is no CodedError StoreDamaged or NotInCatalog. */
async function orProblem<T>(reading: Promise<T>): Promise<Found<T>> {
  try {
    return { is: await reading };
  } catch (error) {
    const isOfOne = error instanceof CodedError && (error.code === 'StoreDamaged' || error.code === 'NotInCatalog');
    if (!isOfOne) throw error;
    return { problem: error.message };
  }
}

/** Of one more than it holds, the one that was read first is read anew. */
class Memory {
  private readonly known = new Map<string, unknown>();
  private readonly most: number;

  constructor(most: number) {
    this.most = most;
  }

  async recall<T>(key: string, read: () => Promise<T>): Promise<T> {
    // Each key belongs to one kind of document.
    if (this.known.has(key)) return this.known.get(key) as T;
    const document = await read();
    this.known.set(key, document);
    for (const oldest of [...this.known.keys()].slice(0, -this.most)) this.known.delete(oldest);
    return document;
  }
}
