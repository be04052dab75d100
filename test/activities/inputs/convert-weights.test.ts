import { writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { withConvertedWeights } from '../../../activities/inputs/convert-weights.ts';
import { createPreparationContext } from '../../helpers/preparation-context.ts';

test('withConvertedWeights names a refused file as the person did, not by its hash', async () => {
  const { home, context, remove } = await createPreparationContext();
  const path = `${home}/${'b6'.repeat(32)}`;
  await writeFile(path, Buffer.from([0xff, 0xd8, 0xff, 0xe0]));
  const weights = { recipe: 'cascade-mask-rcnn_swin-demo', part: 'detector', path, file: 'best.pth' } as const;
  try {
    await expect(withConvertedWeights({ ...context, ...weights }, () => Promise.resolve())).rejects.toMatchObject({
      code: 'WeightsRefused',
      message: expect.stringMatching(/^best\.pth is not a checkpoint of PyTorch: it is a JPEG image\nNext: /) as string,
    });
  } finally {
    await remove();
  }
});
