import { expect, test } from 'vitest';
import { comparableReferences, gapFacts, publishedModelFor } from '../../activities/plan/published.ts';
import { samplePlan } from '../fixtures/sample-report.ts';
import { referencesFor } from '../../activities/plan/recipe-facts.ts';
import { readdirSync } from 'node:fs';
import { recipesFolder } from '../helpers/project.ts';

const recipes = readdirSync(recipesFolder).flatMap((file) => (file.endsWith('.py') ? [file.slice(0, -3)] : []));
const models = recipes.flatMap((recipe) => publishedModelFor(recipe) ?? []);

test('every recipe except the demo has a published model, and all named recipes exist', () => {
  expect(recipes.filter((recipe) => publishedModelFor(recipe) === undefined)).toEqual(['cascade-mask-rcnn_swin-demo']);
  for (const model of models) {
    expect(recipes).toEqual(expect.arrayContaining([...model.recipes, model.results]));
    expect(referencesFor(model.results).length).toBeGreaterThan(0);
    expect(model.blog === undefined || referencesFor(model.blog).length > 0).toBe(true);
  }
});

test('every known effect has evidence, and unknown effects have no cost', () => {
  for (const effect of gapFacts().effects) {
    expect(effect.cost === null, effect.summary).toBe(effect.basis === 'unknown');
    if (effect.cost) expect(effect.evidence.length, effect.summary).toBeGreaterThan(0);
  }
});

test('comparableReferences returns nothing for a run on other data, whatever their id', () => {
  const references = referencesFor('cascade-mask-rcnn_swin-s_blog');
  const { dataset: coco } = samplePlan;
  const { val } = coco;
  expect(comparableReferences({ references, dataset: coco })).toBe(references);
  for (const other of [
    { id: 'my-photos' },
    { classes: 3 },
    { val: { ...val, counts: null } },
    { val: { ...val, counts: { images: 5000, instances: 12 } } },
  ])
    expect(comparableReferences({ references, dataset: { ...coco, ...other } })).toEqual([]);
});
