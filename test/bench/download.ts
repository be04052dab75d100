/**
 * Compares a verified download of 1 GiB from nginx over loopback: ours, aria2c with sha256sum, and curl with sha256sum.
 * `--part kill` measures the cost of a SIGKILL after half of the bytes:
 * `node test/bench/download.ts --nginx PATH --part fast --seed 1 --repeats 5 --out FILE`.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { z } from 'zod';
import { ByteSpans } from '../../activities/shared/download/parts/byte-spans.ts';
import { sha256OfFile } from '../../activities/shared/files/atomic-file.ts';
import { PartSpan } from '../../configs/schema/fetched-files.ts';
import { Random } from '../chaos/random.ts';
import { projectRoot } from '../helpers/project.ts';
import { startFileServer, type Sent } from './file-server.ts';
import { measureProcess } from './process-cost.ts';
import { saveRecord, printFigures, readEnvironment, summarize, type Figure } from './record.ts';

const fileBytes = 1024 ** 3;
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    repeats: { type: 'string', default: '5' },
    out: { type: 'string' },
    nginx: { type: 'string', default: '/usr/sbin/nginx' },
    /** `fast`, `gigabit` or `kill`. */
    part: { type: 'string', default: 'fast' },
  },
});
const part = z.enum(['fast', 'gigabit', 'kill']).parse(values.part);
const bench = { seed: values.seed, repeats: Number(values.repeats), out: values.out };
const environment = await readEnvironment(bench, `download.ts --nginx PATH --part ${part}`);
const folder = await mkdtemp(`${tmpdir()}/everswin-bench-download-`);
const [root, got] = [`${folder}/root`, `${folder}/got`];
const target = `${got}/file.bin`;
const state = `${target}.part.jsonl`;
const fetchers = {
  aria2c: ['aria2c', '-q', '-x8', '-s8', '-d', got, '-o', 'file.bin'],
  curl: ['curl', '-s', '-o', target],
};
const env = { PATH: '/usr/local/bin:/usr/bin:/bin', NODE_NO_WARNINGS: '1', HOME: folder };
const ChildOutput = z.object({ seconds: z.number(), resumedFromBytes: z.int() });

await mkdir(root);
await mkdir(got);
await writeRandom(`${root}/file.bin`, fileBytes);
const sha256 = await sha256OfFile(`${root}/file.bin`);
const server = await startFileServer(values.nginx, root, `${folder}/server`, part === 'fast' ? null : '1gbit');
try {
  const { figures, raw } = part === 'kill' ? await killAtHalf() : await compare();
  printFigures(figures);
  const tools = {
    nginx: await versionOf(values.nginx, '-v'),
    aria2: await versionOf('aria2c'),
    curl: await versionOf('curl'),
  };
  await saveRecord(bench.out, { ...environment, tools, fileBytes, figures, raw });
} finally {
  await server.stop();
  await rm(folder, { recursive: true });
}

/** Writes random bytes, which cannot be compressed in transit. */
async function writeRandom(path: string, bytes: number): Promise<void> {
  const handle = await open(path, 'w');
  for (let left = bytes; left > 0; left -= 2 ** 24) await handle.write(randomBytes(Math.min(left, 2 ** 24)));
  await handle.close();
}

async function versionOf(executable: string, flag = '--version'): Promise<string> {
  const { stdout, stderr } = await execa(executable, [flag]);
  return `${stdout}${stderr}`.split('\n')[0] ?? '';
}

type Tool = 'ours' | 'aria2c' | 'curl';

interface Run {
  repeat: number;
  tool: Tool;
  /** From the request to the verified file. Ours excludes the start of Node, because a worker already runs. */
  seconds: number;
  /** Includes the start of Node. For other tools equal to `seconds`. */
  processSeconds: number;
  fetchSeconds: number | null;
  hashSeconds: number | null;
  /** The same hash with OpenSSL, which uses the SHA instructions of the processor. */
  opensslSeconds: number | null;
  cpuSeconds: number;
  residentMb: number;
}

async function compare() {
  const random = new Random(bench.seed);
  const runs: Run[] = [];
  // Warm-up: the first file pays for memory that the machine has not used yet.
  await runOne('ours', 0);
  for (let repeat = 1; repeat <= bench.repeats; repeat += 1) {
    const order = random.pick([
      ['ours', 'aria2c', 'curl'],
      ['ours', 'curl', 'aria2c'],
      ['aria2c', 'ours', 'curl'],
      ['aria2c', 'curl', 'ours'],
      ['curl', 'ours', 'aria2c'],
      ['curl', 'aria2c', 'ours'],
    ] as const);
    for (const tool of order) {
      const run = await runOne(tool, repeat);
      runs.push(run);
      console.log(`${repeat} ${tool}: ${run.seconds.toFixed(2)} s, CPU ${run.cpuSeconds.toFixed(2)} s`);
    }
  }
  return { figures: toFigures(runs), raw: runs };
}

async function runOne(tool: Tool, repeat: number): Promise<Run> {
  try {
    return { repeat, tool, ...(tool === 'ours' ? await fetchOurs() : await fetchWith(fetchers[tool])) };
  } finally {
    for (const name of await readdir(got)) await rm(`${got}/${name}`);
    await sleep(500);
  }
}

function oursArgv(): [string, ...string[]] {
  const program = `${projectRoot}/test/bench/download-child.ts`;
  return server.reach([process.execPath, program, server.url, target, String(fileBytes), sha256]);
}

async function fetchOurs() {
  const [program, ...argv] = oursArgv();
  const { stdout, wallSeconds, ...cost } = await measureProcess(program, argv, env);
  const { seconds } = ChildOutput.parse(JSON.parse(stdout));
  return { seconds, processSeconds: wallSeconds, fetchSeconds: null, hashSeconds: null, opensslSeconds: null, ...cost };
}

async function fetchWith(command: readonly string[]) {
  const [program, ...argv] = server.reach([...command, server.url]);
  const fetched = await measureProcess(program, argv, env);
  const hashed = await measureProcess('sha256sum', [target], env);
  if (!hashed.stdout.startsWith(sha256)) throw new Error(`${program} fetched a file with a different hash`);
  const openssl = await measureProcess('openssl', ['dgst', '-sha256', target], env);
  const seconds = fetched.wallSeconds + hashed.wallSeconds;
  return {
    seconds,
    processSeconds: seconds,
    fetchSeconds: fetched.wallSeconds,
    hashSeconds: hashed.wallSeconds,
    opensslSeconds: openssl.wallSeconds,
    cpuSeconds: fetched.cpuSeconds + hashed.cpuSeconds,
    residentMb: Math.max(fetched.residentMb, hashed.residentMb),
  };
}

function toFigures(runs: Run[]): Figure[] {
  const of = (tool: Tool, pick: (run: Run) => number) => runs.filter((run) => run.tool === tool).map(pick);
  const seconds = ({ seconds: all }: Run) => all;
  const withOpenssl = ({ fetchSeconds, opensslSeconds }: Run) => (fetchSeconds ?? NaN) + (opensslSeconds ?? NaN);
  // Ratios within each repeat cancel slow drift.
  const ratios = (mine: (run: Run) => number, tool: Tool, theirs: (run: Run) => number) =>
    of('ours', mine).map((ours, index) => ours / (of(tool, theirs)[index] ?? NaN));
  const goal = part === 'fast' ? '<= 0.8' : '<= 1';
  return [
    summarize('ours, fetched and checked', 's', of('ours', seconds)),
    summarize(
      'ours, with the start of Node',
      's',
      of('ours', ({ processSeconds }) => processSeconds),
    ),
    summarize('aria2c -x8 -s8, then sha256sum', 's', of('aria2c', seconds)),
    summarize('curl, then sha256sum', 's', of('curl', seconds)),
    summarize('ours / (aria2c + sha256sum)', 'times', ratios(seconds, 'aria2c', seconds), goal),
    summarize(
      'ours with the start of Node / (aria2c + sha256sum)',
      'times',
      ratios((run) => run.processSeconds, 'aria2c', seconds),
    ),
    summarize('ours / (curl + sha256sum)', 'times', ratios(seconds, 'curl', seconds), goal),
    summarize('ours / (aria2c + openssl dgst)', 'times', ratios(seconds, 'aria2c', withOpenssl)),
    summarize('ours / (curl + openssl dgst)', 'times', ratios(seconds, 'curl', withOpenssl)),
    summarize(
      'ours / aria2c alone, which checks nothing',
      'times',
      ratios(seconds, 'aria2c', (run) => run.fetchSeconds ?? NaN),
    ),
    summarize(
      'ours / curl alone, which checks nothing',
      'times',
      ratios(seconds, 'curl', (run) => run.fetchSeconds ?? NaN),
    ),
    ...(['ours', 'aria2c', 'curl'] as const).flatMap((tool) => [
      summarize(
        `CPU, ${tool}`,
        's',
        of(tool, (run) => run.cpuSeconds),
      ),
      summarize(
        `most memory, ${tool}`,
        'MB',
        of(tool, (run) => run.residentMb),
      ),
    ]),
  ];
}

interface Kill {
  repeat: number;
  openRanges: number;
  /** Counted by the server over all connections, including bytes in transit to the killed process. */
  fetchedTwiceMb: number;
  resumedFromBytes: number;
}

async function killAtHalf() {
  const kills: Kill[] = [];
  for (let repeat = 1; repeat <= bench.repeats; repeat += 1) {
    const [program, ...argv] = oursArgv();
    const child = spawn(program, argv, { env, stdio: 'ignore' });
    while (readPart().bytes < fileBytes / 2) await sleep(5);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const before = await server.sent();
    const kept = readPart().all;
    const isKept = ({ first, last }: Sent) => kept.some(([from, to]) => from <= first && to > last);
    const openRanges = before.filter((one) => !isKept(one)).length;
    const resumed = await measureProcess(program, argv, env);
    const { resumedFromBytes } = ChildOutput.parse(JSON.parse(resumed.stdout));
    if ((await sha256OfFile(target)) !== sha256) throw new Error('the resumed file has a different hash');
    const sent = [...before, ...(await server.sent())].reduce((sum, { bytes }) => sum + bytes, 0);
    kills.push({ repeat, openRanges, fetchedTwiceMb: (sent - fileBytes) / 2 ** 20, resumedFromBytes });
    console.log(JSON.stringify(kills.at(-1)));
    await rm(target);
  }
  const perRange = kills.map(({ fetchedTwiceMb, openRanges }) => fetchedTwiceMb / openRanges);
  const figures = [
    summarize(
      'fetched twice after kill -9 at 50 %',
      'MiB',
      kills.map((kill) => kill.fetchedTwiceMb),
    ),
    summarize('of that for each open range', 'MiB', perRange, '<= 8'),
  ];
  return { figures, raw: kills };
}

/** Reads the spans that a running or killed download has recorded in its state file. */
function readPart(): ByteSpans {
  const spans = new ByteSpans();
  const lines = existsSync(state) ? readFileSync(state, 'utf8').split('\n').slice(1, -1) : [];
  for (const line of lines) spans.add(PartSpan.parse(JSON.parse(line)));
  return spans;
}
