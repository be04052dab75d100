import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findMissing } from '../../../activities/inputs/find-missing.ts';
import { recordDownload } from '../../../activities/inputs/recorded-download.ts';
import { addObject } from '../../../activities/shared/store/objects.ts';
import { createPreparationContext, type TestPreparationContext } from '../../helpers/preparation-context.ts';

let place: TestPreparationContext;
beforeEach(async () => (place = await createPreparationContext()));
afterEach(() => place.remove());

test('findMissing knows weights without a published hash by their first download, and counts their size', async () => {
  const { home, context } = place;
  const file = { file: 'swin.pth', urls: ['https://example.org/swin.pth'], bytes: null, sha256: null };
  const sizes = async () => (await findMissing([file], context)).map(({ size }) => size);
  expect(await sizes()).toEqual([null]);
  const sha256 = createHash('sha256').update('weights').digest('hex');
  await recordDownload(home, file, { sha256, bytes: 7 });
  expect(await sizes()).toEqual([{ downloadBytes: 7, diskBytes: 7 }]);
  await mkdir(home, { recursive: true });
  await writeFile(`${home}/swin.pth`, 'weights');
  await addObject(home, `${home}/swin.pth`, { sha256, name: 'swin.pth', origin: 'test' });
  expect(await sizes()).toEqual([]);
});
