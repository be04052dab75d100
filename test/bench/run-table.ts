/** Measures the table of all runs: `node test/bench/run-table.ts --repeats 20 --out FILE`. */
import { appendFile, cp, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { performance } from 'node:perf_hooks';
import { localStore } from '../../activities/shared/store/local-store.ts';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { startPageServer } from '../../infra/pages/page-server.ts';
import { stepEvent } from '../fixtures/sample-report.ts';
import { writeSampleRuns } from '../fixtures/sample-runs.ts';
import { printFigures, readArguments, readEnvironment, saveRecord, summarize } from './record.ts';

const runCount = 500;
/** Runs whose progress file is as large as that of a training that logs each step. */
const longRuns = { count: 5, megabytes: 50 };

const options = readArguments(20);
const environment = await readEnvironment(options, 'run-table.ts');
const home = await mkdtemp(`${tmpdir()}/everswin-run-table-`);
try {
  await writeRuns();
  const server = await startPageServer({ home, store: localStore(homeFolders(home).store), port: 0 });
  const ask = async (): Promise<number> => {
    const start = performance.now();
    const response = await fetch(server.url);
    const page = await response.text();
    const rows = page.split('<tr><td class="choice">').length - 1;
    if (rows !== runCount) throw new Error(`expected ${runCount} rows, got ${rows}`);
    return performance.now() - start;
  };
  const first = await ask();
  const before = process.cpuUsage();
  const warm: number[] = [];
  const changed: number[] = [];
  for (let repeat = 0; repeat < options.repeats; repeat += 1) {
    warm.push(await ask());
    const step = stepEvent({ t: Date.now() / 1000, epoch: 12, iteration: 480 + repeat });
    for (let run = 0; run < longRuns.count; run += 1)
      await appendFile(runFolder(home, `run-${run}`).train.progress, `${JSON.stringify(step)}\n`);
    changed.push(await ask());
  }
  const { user, system } = process.cpuUsage(before);
  const { size } = await fetchSize(server.url);
  await server.close();
  const figures = [
    summarize('first page after the start of the server', 'ms', [first]),
    summarize('page, nothing changed', 'ms', warm, '< 300 ms'),
    summarize('page, long runs appended', 'ms', changed, '< 300 ms'),
  ];
  printFigures(figures);
  const cpuMs = (user + system) / 1000 / (warm.length + changed.length);
  console.log(`CPU time per page, with that of the client: ${cpuMs.toFixed(1)} ms`);
  const { rss } = process.memoryUsage();
  const scenario = { runs: runCount, longRuns, pageBytes: size, cpuMsPerPage: cpuMs, residentMiB: rss / 2 ** 20 };
  await saveRecord(options.out, { ...environment, scenario, figures, samples: { first, warm, changed } });
} finally {
  await rm(home, { recursive: true });
}

async function fetchSize(url: string): Promise<{ size: number }> {
  return { size: (await (await fetch(url)).arrayBuffer()).byteLength };
}

/** Copies the sample runs until there are enough, and makes some of them long. */
async function writeRuns(): Promise<void> {
  const samples = await mkdtemp(`${tmpdir()}/everswin-samples-`);
  await writeSampleRuns(samples, Date.now() / 1000);
  const kinds = ['sheep-swin-t', 'sheep-swin-b', 'sheep-oom', 'sheep-stopped', 'coco-baseline', 'coco-lower-rate'];
  await mkdir(homeFolders(home).runs, { recursive: true });
  for (let run = 0; run < runCount; run += 1) {
    const kind = run < longRuns.count ? 'sheep-swin-t' : (kinds[run % kinds.length] ?? '');
    await cp(runFolder(samples, kind).root, runFolder(home, `run-${run}`).root, { recursive: true });
  }
  for (let run = 0; run < longRuns.count; run += 1) await lengthen(runFolder(home, `run-${run}`).train.progress);
  await rm(samples, { recursive: true });
}

/** Repeats the steps of the file until it is long. */
async function lengthen(path: string): Promise<void> {
  const [started = '', ...lines] = (await readFile(path, 'utf8')).split('\n');
  const steps = lines.filter((line) => line.includes('"type":"step"'));
  const block = `${steps.join('\n')}\n`;
  await writeFile(path, `${started}\n`);
  const file = await open(path, 'a');
  for (let bytes = 0; bytes < longRuns.megabytes * 1e6; bytes += block.length) await file.write(block);
  await file.write(lines.join('\n'));
  await file.close();
}
