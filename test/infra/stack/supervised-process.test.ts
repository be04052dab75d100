import { appendFile, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { limitLog } from '../../../infra/stack/supervised-process.ts';

test('limitLog empties a log that is too long and keeps its content in one other file', async () => {
  const folder = await mkdtemp(`${tmpdir()}/everswin-log-`);
  const log = `${folder}/worker.log`;
  const writer = await open(log, 'a'); // as the process that writes it
  try {
    await writer.write('short\n');
    await limitLog(log, 6);
    await writer.write('too long\n');
    await limitLog(log, 6);
    await writer.write('next\n');
    expect(await readFile(`${log}.1`, 'utf8')).toBe('short\ntoo long\n');
    expect(await readFile(log, 'utf8')).toBe('next\n');
    await appendFile(log, 'long again\n');
    await limitLog(log, 6);
    expect(await readFile(`${log}.1`, 'utf8')).toBe('next\nlong again\n');
  } finally {
    await writer.close();
    await rm(folder, { recursive: true });
  }
});
