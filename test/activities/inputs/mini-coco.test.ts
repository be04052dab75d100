import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { downloadInto } from '../../../activities/inputs/download-into.ts';
import { createPreparationContext } from '../../helpers/preparation-context.ts';

test('downloadInto generates the files of the demo once when no embedded stack serves them', async () => {
  const { home, context, remove } = await createPreparationContext();
  const files = ['val2017.zip', 'annotations_trainval2017.zip'];
  const unknown = { bytes: null, sha256: null };
  const download = (file: string) => downloadInto({ file, urls: [`demo:${file}`] }, unknown, context);
  const downloads = await Promise.all(files.map(download));
  expect(downloads.map(({ url }) => url)).toEqual(files.map((file) => `file://${home}/demo/${file}`));
  expect(await readdir(`${home}/demo`)).toEqual(expect.arrayContaining(files));
  await remove();
});
