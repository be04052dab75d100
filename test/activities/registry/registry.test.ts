import { createHash } from 'node:crypto';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { ArtifactStore } from '../../../activities/shared/store/artifact-store.ts';
import {
  changeRegistry,
  previousChampion,
  readRegistry,
  type ChangeRequest,
} from '../../../activities/registry/registry-state.ts';
import {
  fetchVersionFiles,
  listVersions,
  publishVersion,
  readVersion,
  type VersionSource,
} from '../../../activities/registry/versions.ts';
import { modelKeys } from '../../../configs/names.ts';
import { versionId, type ModelVersion } from '../../../configs/schema/index.ts';
import { blogMetrics } from '../../fixtures/sample-report.ts';
import { storeKinds, useBothStores } from '../../helpers/both-stores.ts';

const stores = useBothStores();

const hash = (digit: string) => digit.repeat(64);
const id = (digit: string) => versionId(`run-${digit}`, hash(digit));
const changeRequest = (action: ChangeRequest['action'], digit: string): ChangeRequest => ({
  action,
  version: id(digit),
  who: 'a test',
  why: 'to see',
  evidence: null,
});

describe.each(storeKinds)('a registry in %s', (kind) => {
  const open = (name: string): ArtifactStore => stores.open(kind, name);

  test('promotes, rejects and rolls back versions, and records who, why and when', async () => {
    const store = open('history');
    const change = (wanted: ChangeRequest, expected: string | null, at: number) =>
      changeRegistry(store, 'shapes', wanted, { expected, at });
    await change(changeRequest('candidate', '1'), null, 1);
    await change(changeRequest('promote', '1'), null, 2);
    await change(changeRequest('candidate', '2'), id('1'), 3);
    await change(changeRequest('reject', '2'), id('1'), 4);
    await change(changeRequest('promote', '3'), id('1'), 5);
    const { state } = await readRegistry(store, 'shapes');
    expect(state).toMatchObject({ champion: id('3'), candidate: null });
    expect(previousChampion(state)).toBe(id('1'));
    const back = await change({ ...changeRequest('rollback', '1'), version: previousChampion(state) }, id('3'), 6);
    expect(back.champion).toBe(id('1'));
    expect(back.history.map(({ action, from, at }) => [action, from, at])).toEqual([
      ['candidate', null, 1],
      ['promote', null, 2],
      ['candidate', id('1'), 3],
      ['reject', id('1'), 4],
      ['promote', id('1'), 5],
      ['rollback', id('3'), 6],
    ]);
    expect(() => previousChampion({ ...state, history: [] })).toThrow('has no champion before');
  });

  test('lets one of two concurrent promotions win and rejects the other with StoreConflict', async () => {
    const store = open('promoters');
    await changeRegistry(store, 'shapes', changeRequest('promote', '0'), { expected: null, at: 1 });
    for (let round = 0; round < 5; round += 1) {
      const { champion } = (await readRegistry(store, 'shapes')).state;
      const why = `round ${round}`;
      const outcomes = await Promise.allSettled(
        ['a', 'b'].map((digit) => {
          const version = versionId(`run-${round}${digit}`, hash(digit));
          const wanted = { ...changeRequest('promote', digit), version, why };
          return changeRegistry(store, 'shapes', wanted, { expected: champion, at: 2 });
        }),
      );
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const lost = outcomes.find((one) => one.status === 'rejected');
      expect(lost?.reason).toMatchObject({ code: 'StoreConflict' });
      const { history } = (await readRegistry(store, 'shapes')).state;
      expect(history).toHaveLength(round + 2);
    }
  });

  test('applies a retried change once', async () => {
    const store = open('again');
    const promote = (digit: string) =>
      changeRegistry(store, 'shapes', changeRequest('promote', digit), { expected: null, at: 1 });
    await promote('1');
    expect((await promote('1')).history).toHaveLength(1);
    await expect(promote('2')).rejects.toMatchObject({ code: 'StoreConflict' });
  });

  test('lists only complete versions, never overwrites them, and verifies them on fetch', async () => {
    const store = open('versions');
    const at = await mkdtemp(`${stores.folder()}/version-`);
    const sourceOf = async (file: string, content: string): Promise<VersionSource> => {
      await writeFile(`${at}/${file}`, content);
      const sha256 = createHash('sha256').update(content).digest('hex');
      return { file, path: `${at}/${file}`, sha256, bytes: content.length };
    };
    const weights = await sourceOf('weights.safetensors', 'tensors');
    const report = await sourceOf('report.json', '{}');
    const bare = ({ file, sha256, bytes }: VersionSource) => ({ file, sha256, bytes });
    const version: ModelVersion = {
      v: 1,
      id: versionId('run-1', weights.sha256),
      model: 'shapes',
      runId: 'run-1',
      createdAt: 1,
      recipe: { name: 'mini', sha256: hash('b') },
      planHash: hash('c'),
      fingerprint: { sha256: hash('d'), parts: {} },
      test: { annotationsSha256: hash('e'), images: 24, trainerCode: hash('f') },
      weights: bare(weights),
      bbox: blogMetrics.bbox,
      segm: blogMetrics.segm,
      files: [bare(report)],
    };
    // Killed before the last file: the version does not exist.
    await store.put(modelKeys('shapes').versionFile(version.id, weights.file), weights.path);
    expect(await listVersions(store, 'shapes')).toEqual([]);

    await publishVersion(store, version, [weights, report], { folder: at });
    await publishVersion(store, { ...version, createdAt: 2 }, [weights, report], { folder: at });
    expect(await listVersions(store, 'shapes')).toEqual([version.id]);
    const back = `${at}/back`;
    expect(await readVersion(store, 'shapes', version.id, { folder: back })).toEqual(version);
    await fetchVersionFiles(store, version, [weights.file], { folder: back });
    expect(await readFile(`${back}/${weights.file}`, 'utf8')).toBe('tensors');
    const other = { ...version, weights: { ...bare(weights), sha256: hash('0') } };
    await expect(fetchVersionFiles(store, other, [weights.file], { folder: back })).rejects.toMatchObject({
      code: 'StoreDamaged',
    });
    await expect(readVersion(store, 'shapes', id('9'), { folder: back })).rejects.toMatchObject({
      code: 'NotInCatalog',
    });
  });
});
