import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { contractFolder, generateContract } from './files.ts';

const hint = 'run `npm run contract`, then the tests of the trainer';

test('contract files equal the zod schemas', async () => {
  for (const [path, text] of await generateContract()) {
    expect(await readFile(path, 'utf8').catch(() => 'missing'), `${basename(path)} is out of date: ${hint}`).toBe(text);
  }
});

test('contract folder holds no schema without a source', async () => {
  const generated = [...(await generateContract()).keys()].map((path) => basename(path));
  for (const file of await readdir(contractFolder)) expect(generated).toContain(file);
});
