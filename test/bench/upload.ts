/**
 * Compares the upload of a 1.28 GB checkpoint over loopback with s5cmd, and measures how much mirroring slows a trainer:
 * `node test/bench/upload.ts --s5cmd PATH --seed 1 --repeats 5 --out FILE`. Server: SeaweedFS.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { setPriority, tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { sha256OfFile } from '../../activities/shared/files/atomic-file.ts';
import { Random } from '../chaos/random.ts';
import { projectRoot, python } from '../helpers/project.ts';
import { startS3Server } from '../helpers/s3-server.ts';
import { startMirroringWorker } from './mirroring-worker.ts';
import { measureProcess, readCounters } from './process-cost.ts';
import { saveRecord, mean, printFigures, quantile, readEnvironment, summarize } from './record.ts';

const fileBytes = 1_280_000_000;
const quietSeconds = 6;
/** Default checkpoint interval. */
const intervalSeconds = 600;
const trainerCore = 0;
const otherCore = 1;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    repeats: { type: 'string', default: '5' },
    out: { type: 'string' },
    s5cmd: { type: 'string' },
    /** `upload`, `trainer` or both. */
    part: { type: 'string', default: 'both' },
  },
});
const { s5cmd } = values;
if (s5cmd === undefined) throw new Error('expected --s5cmd to be the path of s5cmd');
const bench = { seed: values.seed, repeats: Number(values.repeats), out: values.out };
const environment = await readEnvironment(bench, `upload.ts --s5cmd PATH --part ${values.part}`);
const folder = await mkdtemp(`${tmpdir()}/everswin-bench-upload-`);
const server = await startS3Server();
const file = `${folder}/checkpoint.pth`;
/** Names the file with the credentials. */
const childEnv = { PATH: '/usr/bin:/bin', NODE_NO_WARNINGS: '1', ...server.env };
const ChildOutput = z.object({ putSeconds: z.number() });

try {
  await writeRandom(file, fileBytes);
  const sha256 = await sha256OfFile(file);
  const uploads = values.part === 'trainer' ? [] : await compareUploads(sha256);
  const trainer = values.part === 'upload' ? [] : await measureSlowdowns(sha256);
  const figures = [...(uploads.length > 0 ? uploadFigures(uploads) : []), ...trainer.flatMap((one) => one.figures)];
  printFigures(figures);
  for (const { verdict } of trainer) console.log(verdict);
  await saveRecord(bench.out, { ...environment, fileBytes, figures, raw: { uploads, trainer } });
} finally {
  await server.stop();
  await rm(folder, { recursive: true });
}

/** Writes random bytes, which cannot be compressed in transit. */
async function writeRandom(path: string, bytes: number): Promise<void> {
  const handle = await open(path, 'w');
  for (let left = bytes; left > 0; left -= 1e7) await handle.write(randomBytes(Math.min(left, 1e7)));
  await handle.close();
}

interface Upload {
  repeat: number;
  who: 'ours' | 's5cmd';
  /** From the first request to the last response; for s5cmd the duration of its process. */
  seconds: number;
  /** Includes the start of Node. */
  wallSeconds: number;
  cpuSeconds: number;
  residentMb: number;
  serverCpuSeconds: number;
}

async function compareUploads(sha256: string): Promise<Upload[]> {
  const random = new Random(bench.seed);
  const uploads: Upload[] = [];
  for (let repeat = 1; repeat <= bench.repeats; repeat += 1) {
    const order = random.pick([
      ['ours', 's5cmd'],
      ['s5cmd', 'ours'],
    ] as const);
    for (const who of order) {
      const before = serverCpu();
      const run = who === 'ours' ? uploadOurs(sha256) : uploadWithS5cmd();
      const { seconds, ...cost } = await run;
      const serverCpuSeconds = serverCpu() - before;
      uploads.push({ repeat, who, seconds, ...cost, serverCpuSeconds });
      console.log(
        `${repeat} ${who}: ${seconds.toFixed(2)} s, CPU ${cost.cpuSeconds.toFixed(2)} s, ${cost.residentMb.toFixed(0)} MB`,
      );
      await server.store('').remove(['bench/file']);
      await sleep(1_000);
    }
  }
  return uploads;
}

function serverCpu(): number {
  return readCounters(server.pid() ?? 0)?.cpuSeconds ?? NaN;
}

function oursArgv(sha256: string): string[] {
  return [...[`${projectRoot}/test/bench/upload-child.ts`], ...[`s3://${server.bucket}`, folder, file, sha256]];
}

async function uploadOurs(sha256: string) {
  const { stdout, ...cost } = await measureProcess(process.execPath, oursArgv(sha256), childEnv);
  return { seconds: ChildOutput.parse(JSON.parse(stdout)).putSeconds, ...cost };
}

async function uploadWithS5cmd() {
  const argv = ['--endpoint-url', server.endpoint, 'cp', file, `s3://${server.bucket}/bench/file`];
  const { stdout, ...cost } = await measureProcess(s5cmd ?? '', argv, childEnv);
  if (!stdout.startsWith('cp ')) throw new Error(`expected s5cmd to print cp, got ${stdout}`);
  return { seconds: cost.wallSeconds, ...cost };
}

function uploadFigures(uploads: Upload[]) {
  const of = (who: Upload['who'], pick: (upload: Upload) => number) =>
    uploads.filter((one) => one.who === who).map(pick);
  const rate = ({ seconds }: Upload) => fileBytes / 1e6 / seconds;
  const ratios = of('ours', rate).map((ours, index) => ours / (of('s5cmd', rate)[index] ?? NaN));
  return [
    summarize('throughput, ours', 'MB/s', of('ours', rate)),
    summarize('throughput, s5cmd', 'MB/s', of('s5cmd', rate)),
    summarize('throughput, ours / s5cmd', 'times', ratios, '>= 0.7'),
    summarize(
      'CPU, ours',
      's',
      of('ours', ({ cpuSeconds }) => cpuSeconds),
    ),
    summarize(
      'CPU, s5cmd',
      's',
      of('s5cmd', ({ cpuSeconds }) => cpuSeconds),
    ),
    summarize(
      'most memory, ours',
      'MB',
      of('ours', ({ residentMb }) => residentMb),
      '<= 300',
    ),
    summarize(
      'most memory, s5cmd',
      'MB',
      of('s5cmd', ({ residentMb }) => residentMb),
    ),
  ];
}

interface Window {
  uploading: boolean;
  seconds: number;
  stepSeconds: number;
  steps: number;
  /** CPU time of the worker and its mirror. */
  cpuSeconds: number;
}

/** How worker, mirror and server share the cores with the trainer. In production the server is another machine. */
interface Sharing {
  where: string;
  isPinned: boolean;
  mode: 'process' | 'here';
}

/** The pinned case comes first, because the server's lower priority in the others cannot be raised again. */
async function measureSlowdowns(sha256: string) {
  const pinned = { where: 'on the other core', isPinned: true, mode: 'process' } as const;
  const usual = { where: 'on any core, at the usual priority', isPinned: false, mode: 'here' } as const;
  const production = { where: 'on any core, as in production', isPinned: false, mode: 'process' } as const;
  const results = [];
  for (const sharing of [pinned, usual, production]) results.push(await measureSlowdown(sha256, sharing));
  return results;
}

async function measureSlowdown(sha256: string, { where, isPinned, mode }: Sharing) {
  await setAffinity(server.pid() ?? 0, isPinned ? `${otherCore}` : `${trainerCore},${otherCore}`);
  if (!isPinned) lowerPriority(server.pid() ?? 0);
  const cores = isPinned ? String(otherCore) : `${trainerCore},${otherCore}`;
  const home = `${folder}/${where.replaceAll(/\W+/g, '-')}`;
  const worker = await startMirroringWorker({
    cores,
    env: childEnv,
    address: `s3://${server.bucket}`,
    home,
    file,
    sha256,
    mode,
  });
  // In its own session, as the trainer's supervisor: Linux may distribute CPU time by session.
  const trainer = spawn(python, [`${projectRoot}/test/bench/step_time.py`, String(isPinned ? trainerCore : -1)], {
    env: { PATH: '/usr/bin:/bin', OMP_NUM_THREADS: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  let text = '';
  trainer.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  const times: { uploading: boolean; from: number; to: number; cpuSeconds: number }[] = [];
  const measure = async (uploading: boolean, action: () => Promise<unknown>) => {
    const [from, cpuBefore] = [Date.now() / 1000, worker.cpuSeconds()];
    await action();
    times.push({ uploading, from, to: Date.now() / 1000, cpuSeconds: worker.cpuSeconds() - cpuBefore });
  };
  try {
    await sleep(6_000); // warm-up of torch
    for (let repeat = 0; repeat < bench.repeats; repeat += 1) {
      await measure(false, () => sleep(quietSeconds * 1000));
      await measure(true, () => worker.upload());
    }
    await measure(false, () => sleep(quietSeconds * 1000));
  } finally {
    await worker.stop();
    trainer.stdin.end();
    await new Promise((resolve) => trainer.once('exit', resolve));
    await setAffinity(server.pid() ?? 0, `${trainerCore},${otherCore}`);
  }
  const ends = text.split('\n').filter(Boolean).map(Number);
  const windows = times.map(({ uploading, from, to, cpuSeconds }): Window => {
    const inside = ends.filter((at) => at >= from && at <= to);
    const [first = NaN, last = NaN] = [inside.at(0), inside.at(-1)];
    const stepSeconds = (last - first) / (inside.length - 1);
    return { uploading, seconds: to - from, steps: inside.length, stepSeconds, cpuSeconds };
  });
  // Compares each upload with the quiet times before and after it, which cancels slow drift.
  const slowdowns = windows.flatMap((window, index) => {
    const [before, after] = [windows[index - 1], windows[index + 1]];
    if (!window.uploading || before === undefined || after === undefined) return [];
    return [(100 * window.stepSeconds) / mean([before.stepSeconds, after.stepSeconds]) - 100];
  });
  const quiet = windows.filter(({ uploading }) => !uploading).map(({ stepSeconds }) => stepSeconds);
  const spread = 100 * (Math.max(...quiet) / Math.min(...quiet) - 1);
  // A training has one upload per checkpoint interval.
  const uploads = windows.filter(({ uploading }) => uploading);
  const shares = slowdowns.map((slowdown, index) => (slowdown * (uploads[index]?.seconds ?? NaN)) / intervalSeconds);
  const idle = windows.filter(({ uploading }) => !uploading).map((one) => (100 * one.cpuSeconds) / one.seconds);
  const seconds = uploads.map((upload) => upload.seconds);
  const figures = [
    summarize(`steps slowed while uploading ${where}`, '%', slowdowns),
    summarize(`training slowed by an upload every 10 minutes ${where}`, '%', shares, '<= 1'),
    summarize(`time of an upload next to a trainer ${where}`, 's', seconds),
    // An upper bound of the slowdown for machines on which every core is busy.
    summarize(
      `CPU of worker and mirror for an upload ${where}`,
      's',
      uploads.map((upload) => upload.cpuSeconds),
    ),
    // An upper bound of the slowdown between uploads.
    summarize(`CPU of a worker whose mirror has nothing to send ${where}`, '% of a core', idle),
  ];
  const verdict = `${where}: quiet steps of ${(1000 * quantile(quiet, 0.5)).toFixed(2)} ms, which differ by ${spread.toFixed(1)} % among themselves; slowed by ${mean(slowdowns).toFixed(2)} % on average`;
  return { where, windows, slowdowns, quietSpreadPercent: spread, verdict, figures };
}

/** Sets the affinity of all threads of a running process. */
async function setAffinity(pid: number, cores: string): Promise<void> {
  await measureProcess('taskset', ['-a', '-c', '-p', cores, String(pid)], { PATH: '/usr/bin:/bin' });
}

/** Lowers the priority of all threads, because Linux has one per thread, and of the session. */
function lowerPriority(pid: number): void {
  for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), 19);
  if (existsSync('/proc/self/autogroup')) writeFileSync(`/proc/${pid}/autogroup`, '19');
}
