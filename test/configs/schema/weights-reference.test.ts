import { expect, test } from 'vitest';
import { parseRetrainInput, parseRunInput } from '../../../configs/parse-input.ts';
import { parseDetectorName } from '../../../configs/schema/index.ts';

const run = {
  recipe: 'cascade-mask-rcnn_swin-demo',
  dataset: 'mini-coco',
  weights: { detector: 'run:demo' },
  epochs: 1,
  gpus: 1,
  batchPerGpu: 1,
};
const problemsOf = (detector: string): string[] => {
  const parsed = parseRunInput({ ...run, version: 1, name: 'next', weights: { detector } });
  return parsed.ok ? [] : parsed.problems;
};

test.each([
  ['released', { kind: 'catalog', id: 'released' }],
  ['run:demo', { kind: 'run', runId: 'demo' }],
  ['run:shapes-0123456789ab', { kind: 'run', runId: 'shapes-0123456789ab' }],
  ['model:shapes', { kind: 'model', model: 'shapes', version: 'champion' }],
  ['model:shapes@candidate', { kind: 'model', model: 'shapes', version: 'candidate' }],
  ['model:shapes/champion', { kind: 'model', model: 'shapes', version: 'champion' }],
  ['model:shapes/run-a@0123456789ab', { kind: 'model', model: 'shapes', version: 'run-a@0123456789ab' }],
  ['/data/my best.pth', { kind: 'file', url: 'file:///data/my%20best.pth' }],
  ['file:///data/my%20best.pth', { kind: 'file', url: 'file:///data/my%20best.pth' }],
])('parseDetectorName parses %s', (text, reference) => {
  expect(parseDetectorName(text)).toEqual(reference);
  expect(problemsOf(text)).toEqual([]);
});

test.each([
  ['runs:demo', 'did you mean "run:demo"?'],
  ['train:demo', 'did you mean "run:demo"?'],
  ['RUN: demo ', 'did you mean "run:demo"?'],
  ['run/demo', 'did you mean "run:demo"?'],
  ['models/shapes', 'did you mean "model:shapes"?'],
  ['model:shapes@latest', 'did you mean "model:shapes"?'],
  ['s3://bucket/a.pth', 'Add an entry with this address to `catalog.weights`'],
  ['https://example.org/a.pth', 'Add an entry with this address to `catalog.weights`'],
  ['/data/detector/', 'This is a folder: name a file in it'],
  ['~/a.pth', 'a file as an absolute path'],
  ['./a.pth', 'a file as an absolute path'],
  ['../a.pth', 'a file as an absolute path'],
  ['run:', 'expected an id'],
  ['run:../demo', 'expected an id'],
  ['model:', 'expected an id'],
  ['', 'expected an id'],
])('parseRunInput refuses %j as a detector and says what to write', (text, advice) => {
  const [problem, ...others] = problemsOf(text);
  expect(others).toEqual([]);
  expect(problem).toContain(advice);
});

test('parseRetrainInput refuses weights that its own promotions change', () => {
  const problems = (detector: string) => {
    const parsed = parseRetrainInput({ version: 1, model: 'shapes', run: { ...run, weights: { detector } } });
    return parsed.ok ? [] : parsed.problems;
  };
  expect(problems('model:shapes')).toEqual([expect.stringContaining('set `start` to "champion"')]);
  expect(problems('model:shapes@candidate')).toHaveLength(1);
  for (const other of ['model:shapes/run-a@0123456789ab', 'model:parts', 'run:shapes'])
    expect(problems(other)).toEqual([]);
});
