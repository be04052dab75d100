import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { saveLogTail, readAttemptLog } from '../../../../activities/train/failures/attempt-log.ts';
import { jobFolder, type JobFolder } from '../../../../configs/paths.ts';

let job: JobFolder;
beforeEach(async () => {
  job = jobFolder(await mkdtemp(`${tmpdir()}/everswin-log-`));
});
afterEach(() => rm(job.dir, { recursive: true, force: true }));

const megabyte = 1024 * 1024;

test('readAttemptLog returns no lines without a log', async () => {
  expect(await readAttemptLog(job, { logOffset: 0, fence: 7 })).toEqual([]);
});

test('readAttemptLog returns only lines of this attempt', async () => {
  await writeFile(job.log, 'of another\nmine\nalso mine\n');
  expect(await readAttemptLog(job, { logOffset: 'of another\n'.length, fence: 7 })).toEqual(['mine', 'also mine']);
});

test('readAttemptLog starts at the beginning when the log was truncated', async () => {
  await writeFile(job.log, 'old\n'.repeat(100));
  await truncate(job.log, 0);
  await writeFile(job.log, 'new\n');
  expect(await readAttemptLog(job, { logOffset: 400, fence: 7 })).toEqual(['new']);
});

test('readAttemptLog reads both ends of a huge log only', async () => {
  const noise = `${'noise '.repeat(20)}\n`.repeat(60_000);
  await writeFile(job.log, `first\n${noise}in the middle\n${noise}last\n`);
  const lines = await readAttemptLog(job, { logOffset: 0, fence: 7 });
  expect([lines[0], lines.at(-1), lines.includes('in the middle')]).toEqual(['first', 'last', false]);
  expect(lines.join('\n').length).toBeLessThan(2.1 * megabyte);
});

test('readAttemptLog splits progress bars at carriage returns', async () => {
  await writeFile(job.log, ' 10%|#  |\r 20%|## |\r 30%|###|\r\ndone\n');
  expect(await readAttemptLog(job, { logOffset: 0, fence: 7 })).toEqual([
    ' 10%|#  |',
    ' 20%|## |',
    ' 30%|###|',
    'done',
  ]);
});

test('readAttemptLog reads past binary content and lines of a megabyte', async () => {
  const noise = Buffer.from([0, 255, 254, 128, 10]);
  await writeFile(job.log, Buffer.concat([noise, Buffer.from(`${'x'.repeat(megabyte - 100)}end\nMemoryError\n`)]));
  const lines = await readAttemptLog(job, { logOffset: 0, fence: 7 });
  expect(lines.at(-1)).toBe('MemoryError');
  expect(lines.at(-2)).toMatch(/^x{4000} … x{3997}end$/);
});

const say = async (fence: number, rank: number, text: string) => {
  await mkdir(job.rankLogs, { recursive: true });
  await writeFile(`${job.rankLogs}/${fence}-rank-${rank}.log`, text);
};

test('readAttemptLog appends the lines of other ranks, prefixed with their number', async () => {
  await writeFile(job.log, 'launched\n');
  await say(7, 10, 'ten\n');
  await say(7, 2, 'two\nmore\n');
  await say(6, 2, 'of another attempt\n');
  const expected = ['launched', '[rank 2] two', '[rank 2] more', '[rank 10] ten'];
  expect(await readAttemptLog(job, { logOffset: 0, fence: 7 })).toEqual(expected);
});

test('readAttemptLog puts the rank that failed first at the beginning', async () => {
  await writeFile(job.log, 'launched\n');
  for (const rank of [1, 2, 3]) await say(7, rank, `I am ${rank}\n`);
  const expected = ['[rank 2] I am 2', 'launched', '[rank 1] I am 1', '[rank 3] I am 3'];
  expect(await readAttemptLog(job, { logOffset: 0, fence: 7, firstRank: 2 })).toEqual(expected);
});

test('readAttemptLog reads less of the logs of other ranks', async () => {
  await say(7, 1, `first\n${`${'noise '.repeat(20)}\n`.repeat(9_000)}last\n`);
  const lines = await readAttemptLog(job, { logOffset: 0, fence: 7 });
  expect([lines[0], lines.at(-1)]).toEqual(['[rank 1] first', '[rank 1] last']);
  expect(lines.join('\n').length).toBeLessThan(0.4 * megabyte);
});

test('saveLogTail saves the ends of the main log and of the rank logs', async () => {
  const lines = Array.from({ length: 500 }, (_, index) => (index % 2 === 0 ? `main ${index}` : `[rank 1] ${index}`));
  const path = await saveLogTail(job, 7, lines);
  const kept = (await readFile(path ?? '', 'utf8')).trimEnd().split('\n');
  expect([kept.length, kept[0], kept[199], kept[200]]).toEqual([400, '[rank 1] 101', '[rank 1] 499', 'main 100']);
});

test('saveLogTail names the file by the fence', async () => {
  const lines = Array.from({ length: 300 }, (_, index) => `line ${index}`);
  const path = await saveLogTail(job, 7, lines);
  expect(path).toBe(`${job.failures}/attempt-7.log`);
  const kept = (await readFile(`${job.failures}/attempt-7.log`, 'utf8')).trimEnd().split('\n');
  expect([kept.length, kept[0], kept.at(-1)]).toEqual([200, 'line 100', 'line 299']);
});

test('saveLogTail returns undefined when the file cannot be written', async () => {
  await writeFile(job.failures, 'a file where a folder should be');
  expect(await saveLogTail(job, 7, ['line'])).toBeUndefined();
});
