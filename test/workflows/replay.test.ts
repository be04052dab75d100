import { readFile, readdir } from 'node:fs/promises';
import { Worker } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { projectRoot } from '../helpers/project.ts';

const folder = `${projectRoot}/test/histories`;
const histories = (await readdir(folder)).filter((name) => name.endsWith('.json'));

test.each(histories)('today’s workflow code replays %s', async (name) => {
  const text = await readFile(`${folder}/${name}`, 'utf8');
  const [, workflowId] = /"workflowId": "((?:train|compare|retrain):[^"]+)"/.exec(text) ?? [];
  const history: unknown = JSON.parse(text);
  await Worker.runReplayHistory({ workflowsPath: `${projectRoot}/workflows/index.ts` }, history, workflowId);
});

test('there is a plain history and one with crashes', () => {
  expect(histories).toEqual(expect.arrayContaining(['demo.json', 'demo-crash.json']));
});
