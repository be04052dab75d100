import { readFile, readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parseRunInput } from '../../configs/parse-input.ts';
import { referencesFor } from '../../activities/plan/recipe-facts.ts';
import { RecipeFacts } from '../../configs/schema/index.ts';
import { projectRoot, recipesFolder } from '../helpers/project.ts';

const facts = RecipeFacts.parse(JSON.parse(await readFile(`${recipesFolder}/metafile.json`, 'utf8')));
const recipes = (await readdir(recipesFolder)).filter((file) => file.endsWith('.py')).map((file) => file.slice(0, -3));

test('metafile.json lists exactly the existing recipes', () => {
  expect(Object.keys(facts).sort()).toEqual(recipes.sort());
});

test.each(recipes)('a run file trains %s for the number of epochs in its facts', async (recipe) => {
  const folder = `${projectRoot}/configs/runs`;
  const contents = await Promise.all((await readdir(folder)).map((file) => readFile(`${folder}/${file}`, 'utf8')));
  const inputs = contents.map((text) => parseRunInput(JSON.parse(text))).flatMap((one) => (one.ok ? [one.input] : []));
  expect(inputs.filter((input) => input.recipe === recipe).map(({ epochs }) => epochs)).toContain(
    facts[recipe]?.epochs,
  );
});

test.each(recipes.filter((recipe) => recipe.endsWith('_paper')))(
  'references of %s start with the released model',
  (recipe) => {
    expect(referencesFor(recipe)[0]).toMatchObject({ label: 'released model' });
  },
);

test('metafile.json has plausible published scores and memory ranges with a source', () => {
  for (const { references, trainingMemoryGb: memory } of Object.values(facts)) {
    for (const { bbox, segm } of references) expect(bbox.AP).toBeGreaterThan(segm.AP ?? 1);
    if (memory === undefined) continue;
    expect(memory.least).toBeLessThanOrEqual(memory.most);
    expect(memory.most, 'fits an RTX 3090').toBeLessThan(24);
    expect(memory.source).not.toBe('');
  }
});
