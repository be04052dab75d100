/** kill -9 of a trainer command alone, while its worker lives. The program stands in for Python. */
import { readdir, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withConvertedWeights } from '../../../activities/inputs/convert-weights.ts';
import { packFolder } from '../../../activities/inputs/pack-folder.ts';
import { createPreparationContext, type TestPreparationContext } from '../../helpers/preparation-context.ts';

/** Leaves a partial file next to its target, as an atomic write does, and is killed. */
const killed = `#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in --archive | --into) echo half > "$2.partial" ;; esac
  shift
done
kill -9 $$
`;

let prepared: TestPreparationContext;
beforeEach(async () => {
  prepared = await createPreparationContext();
  await writeFile(`${prepared.home}/python`, killed, { mode: 0o755 });
});
afterEach(() => prepared.remove());

const failure = {
  code: 'TrainerCommandFailed',
  message: expect.stringMatching(/was killed \(SIGKILL\).*dmesg/) as string,
};

test('packFolder leaves no file when its command is killed', async () => {
  const { home, context } = prepared;
  const python = { ...context.python, executable: `${home}/python` };
  await expect(packFolder(home, 'images', { ...context, python })).rejects.toMatchObject(failure);
  expect(await readdir(`${home}/downloads`)).toEqual([]);
});

test('withConvertedWeights leaves no file when its command is killed', async () => {
  const { home, context } = prepared;
  const python = { ...context.python, executable: `${home}/python` };
  const weights = { recipe: 'demo', part: 'backbone', path: `${home}/weights.pth`, file: 'weights.pth' } as const;
  const converting = withConvertedWeights({ ...context, python, ...weights }, () => Promise.resolve());
  await expect(converting).rejects.toMatchObject(failure);
  expect(await readdir(`${home}/downloads`)).toEqual([]);
});
