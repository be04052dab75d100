/** Prints the seconds that reading a progress.jsonl takes, first and after one more event: `read-progress.ts FILE`. */
import { appendFile, readFile } from 'node:fs/promises';
import { ProgressReader } from '../../activities/shared/run/progress-reader.ts';

const [path = ''] = process.argv.slice(2);
const reader = new ProgressReader(path);
const last = (await readFile(path, 'utf8')).trimEnd().split('\n').at(-1) ?? '';
const seconds = await timeRead();
await appendFile(path, `${last}\n`);
const againSeconds = await timeRead();
console.log(JSON.stringify({ seconds, againSeconds }));

async function timeRead(): Promise<number> {
  const begin = performance.now();
  await reader.readNew(() => {});
  return (performance.now() - begin) / 1000;
}
