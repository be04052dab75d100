import { writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inspectArchives } from '../../../activities/inputs/inspect-archives.ts';
import { checkArchives } from '../../../activities/preflight/check-archives.ts';
import { CatalogArchive } from '../../../configs/schema/index.ts';
import { miniPlan } from '../../helpers/mini-run.ts';
import { createPreparationContext, type TestPreparationContext } from '../../helpers/preparation-context.ts';

let place: TestPreparationContext;
beforeEach(async () => {
  place = await createPreparationContext();
});
afterEach(() => place.remove());

const split = { images: 'images', annotations: 'train.json', counts: null };

/** Checks a data set whose files have these addresses. */
function check(images: string, annotations: string) {
  const archives = [
    CatalogArchive.parse({ file: 'images', urls: [images] }),
    CatalogArchive.parse({ file: 'train.json', urls: [annotations] }),
  ];
  const dataset = { ...miniPlan.dataset, id: 'mine', archives, train: split, val: split };
  return checkArchives(() => inspectArchives(dataset, place.context), dataset);
}

test('checkArchives names a tar archive and a web page before anything is copied', async () => {
  const path = `${place.home}/images.zip`;
  await writeFile(path, `${'x'.repeat(257)}ustar`);
  await writeFile(`${place.home}/train.json`, '<!doctype html>');
  const [archives, ...others] = await check(`file://${path}`, `file://${place.home}/train.json`);
  expect(others).toEqual([]);
  expect(archives).toMatchObject({ name: 'archives', verdict: 'error' });
  expect(archives?.message).toContain(`mine: images (${path}) is refused`);
  expect(archives?.message).toContain('it is a tar archive. Unpack it and give the folder instead');
  expect(archives?.message).toContain('holds no annotations: the file is an HTML page');
});

test('checkArchives accepts JSON and ignores folders and files elsewhere', async () => {
  await writeFile(`${place.home}/train.json`, '{}');
  expect(await check(`file://${place.home}/`, `file://${place.home}/train.json`)).toMatchObject([
    { verdict: 'ok', message: 'mine: train.json can be opened' },
  ]);
  place.context.policy = { ...place.context.policy, buckets: new Set(['mine']) };
  expect(await check('https://example.com/images.zip', 's3://mine/train.json')).toEqual([]);
});
