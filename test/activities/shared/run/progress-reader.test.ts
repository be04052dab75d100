import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ProgressReader, readProgress, readWithoutSteps } from '../../../../activities/shared/run/progress-reader.ts';
import { stepEvent } from '../../../fixtures/sample-report.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-progress-`);
  path = `${folder}/progress.jsonl`;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const warning = (message: string) => JSON.stringify({ v: 1, type: 'warning', t: 1.5, attempt: 1, message });
const messages = async (reader: ProgressReader) => {
  const found: string[] = [];
  await reader.readNew((events) => {
    found.push(...events.map((event) => (event.type === 'warning' ? event.message : event.type)));
  });
  return found;
};

test('ProgressReader returns no events without a file', async () => {
  expect(await readProgress(path)).toEqual([]);
});

test('ProgressReader returns each appended event once', async () => {
  const reader = new ProgressReader(path);
  await writeFile(path, `${warning('a')}\n${warning('b')}\n`);
  expect(await messages(reader)).toEqual(['a', 'b']);
  await appendFile(path, `${warning('c')}\n`);
  expect(await messages(reader)).toEqual(['c']);
  expect(await messages(reader)).toEqual([]);
});

test('ProgressReader waits for the rest of a torn line, even within a character', async () => {
  const reader = new ProgressReader(path);
  const line = Buffer.from(`${warning('größer')}\n`);
  const inside = line.indexOf(0xc3) + 1;
  await writeFile(path, line.subarray(0, inside));
  expect(await messages(reader)).toEqual([]);
  await appendFile(path, line.subarray(inside));
  expect(await messages(reader)).toEqual(['größer']);
});

test.each([
  ['a line torn by a crash', '{"v":1,"type":"warn'],
  ['text', 'Killed'],
  ['NaN, which is no JSON', '{"v":1,"type":"step","loss":NaN}'],
  ['an event of another version', JSON.stringify({ v: 2, type: 'warning', t: 1, attempt: 1, message: 'x' })],
  ['an unknown event', JSON.stringify({ v: 1, type: 'party', t: 1, attempt: 1 })],
  ['an empty line', ''],
])('ProgressReader skips %s and reads what follows', async (_what, line) => {
  await writeFile(path, `${line}\n${warning('after')}\n`);
  expect(await messages(new ProgressReader(path))).toEqual(['after']);
});

test('ProgressReader drops a line of many megabytes and reads what follows', async () => {
  await writeFile(path, `${'x'.repeat(5_000_000)}\n${warning('after')}\n`);
  expect(await messages(new ProgressReader(path))).toContain('after');
});

test('ProgressReader passes a long file on in parts, of which one is the last', async () => {
  await writeFile(path, `${warning('a')}\n`.repeat(25_000));
  const parts: [number, boolean][] = [];
  const reader = new ProgressReader(path);
  for (let read = 0; read < 2; read += 1) await reader.readNew((events, isLast) => parts.push([events.length, isLast]));
  expect(parts).toEqual([
    [10_000, false],
    [10_000, false],
    [5_000, true],
  ]);
});

test.each(['replaced', 'truncated', 'deleted and written again'])(
  'ProgressReader starts over when the file is %s',
  async (how) => {
    let replacements = 0;
    const reader = new ProgressReader(path, { onReplaced: () => (replacements += 1) });
    await writeFile(path, `${warning('a')}\n${warning('b')}\n{"torn`);
    expect(await messages(reader)).toEqual(['a', 'b']);
    if (how === 'deleted and written again') {
      await rm(path);
      expect(await messages(reader)).toEqual([]);
    }
    await writeFile(how === 'replaced' ? `${path}.new` : path, `${warning('c')}\n`);
    if (how === 'replaced') await rename(`${path}.new`, path);
    expect(await messages(reader)).toEqual(['c']);
    expect(replacements).toBe(1);
  },
);

test('ProgressReader passes on the last of consecutive steps on request, also at the end of a read', async () => {
  const reader = new ProgressReader(path, { steps: 'last' });
  const iterations = async (): Promise<(number | string)[]> => {
    const found: (number | string)[] = [];
    await reader.readNew((events) => {
      found.push(...events.map((event) => (event.type === 'step' ? event.iteration : event.type)));
    });
    return found;
  };
  const step = (iteration: number): string => `${JSON.stringify(stepEvent({ iteration }))}\n`;
  await writeFile(path, `${step(1)}${step(2)}${warning('a')}\n${step(3)}${step(4)}`);
  expect(await iterations()).toEqual([2, 'warning', 4]);
  await appendFile(path, step(5).slice(0, 30));
  expect(await iterations()).toEqual([]);
  await appendFile(path, `${step(5).slice(30)}${step(6)}`);
  expect(await iterations()).toEqual([6]);
});

test('readWithoutSteps leaves out steps, whatever their format', async () => {
  const step = JSON.stringify(stepEvent());
  await writeFile(path, `${step}\n${step.replace('{', '{ ')}\n${warning('a')}\n${step}\n\n`);
  expect(step).toMatch(/^\{"v":1,"type":"step",/);
  expect((await readWithoutSteps(path)).map(({ type }) => type)).toEqual(['warning']);
  expect(await readProgress(path)).toHaveLength(4);
});
