import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { listFields } from '../../configs/schema/field-index.ts';
import { projectRoot } from '../helpers/project.ts';
import { generateInputFiles } from './files.ts';
import { inputs, readMeta } from './input-schemas.ts';

const readJson = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));

/** Loads a schema file as an editor does. */
async function loadSchema(path: string) {
  const ajv = new Ajv({ allErrors: true, keywords: ['unit'] });
  return ajv.compile((await readJson(path)) as object); // ajv refuses what is not a schema
}

test('schemas and field reference of the inputs equal the zod schemas', async () => {
  for (const [path, text] of await generateInputFiles())
    expect(await readFile(path, 'utf8').catch(() => 'missing'), `${basename(path)}: run \`npm run contract\``).toBe(
      text,
    );
});

test.each(['runs', 'sweeps', 'retrain'])('the files of configs/%s name their schema and match it', async (name) => {
  const folder = `${projectRoot}/configs/${name}`;
  for (const file of await readdir(folder)) {
    const input = (await readJson(`${folder}/${file}`)) as { $schema: string }; // checked by the next line
    expect(input.$schema).toMatch(/^\.\.\/schema\/\w+\.schema\.json$/);
    const validate = await loadSchema(`${folder}/${input.$schema}`);
    expect(validate(input) || validate.errors, file).toBe(true);
  }
});

test.each([
  ['a misspelled field', { epoch: 3 }, 'must NOT have additional properties'],
  ['a number outside of its range', { epochs: 0 }, 'must be >= 1'],
  ['text instead of a number', { gpus: '4' }, 'must be integer'],
  ['a misspelled nested field', { checkpoint: { keepLst: 3 } }, 'must NOT have additional properties'],
  ['a missing field', { name: undefined }, "must have required property 'name'"],
])('run.schema.json marks %s', async (_, change, message) => {
  const validate = await loadSchema(`${projectRoot}/configs/schema/run.schema.json`);
  const run = (await readJson(`${projectRoot}/configs/runs/demo.json`)) as object; // spread only
  expect(validate(JSON.parse(JSON.stringify({ ...run, ...change })))).toBe(false);
  expect(validate.errors?.map((error) => error.message)).toContain(message);
});

test('every field of an input has a description', () => {
  for (const { schema } of Object.values(inputs))
    for (const field of listFields(schema)) expect(readMeta(field.schema).description, field.path).toMatch(/\w.*\.$/s);
});
