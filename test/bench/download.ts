/**
 * A verified download of 1 GiB over loopback from nginx, ours beside aria2c and curl, each with the sha256sum that they
 * need; and what a kill -9 with half of the bytes costs:
 * `node --import tsx test/bench/download.ts --nginx PATH --part fast --seed 1 --repeats 5 --out FILE`.
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
import { keep, printFigures, readSurroundings, summarize, type Figure } from './record.ts';

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
const surroundings = await readSurroundings(bench, `download.ts --nginx PATH --part ${part}`);
const folder = await mkdtemp(`${tmpdir()}/everswin-bench-download-`);
const [root, got] = [`${folder}/root`, `${folder}/got`];
const target = `${got}/file.bin`;
const state = `${target}.part.jsonl`;
const fetchers = {
  aria2c: ['aria2c', '-q', '-x8', '-s8', '-d', got, '-o', 'file.bin'],
  curl: ['curl', '-s', '-o', target],
};
const env = { PATH: '/usr/local/bin:/usr/bin:/bin', NODE_NO_WARNINGS: '1', HOME: folder };
const ChildSaid = z.object({ seconds: z.number(), resumedFromBytes: z.int() });

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
  await keep(bench.out, { ...surroundings, tools, fileBytes, figures, raw });
} finally {
  await server.stop();
  await rm(folder, { recursive: true });
}

/** What cannot be compressed on its way. */
async function writeRandom(path: string, bytes: number): Promise<void> {
  const handle = await open(path, 'w');
  for (let left = bytes; left > 0; left -= 2 ** 24) await handle.write(randomBytes(Math.min(left, 2 ** 24)));
  await handle.close();
}

async function versionOf(executable: string, flag = '--version'): Promise<string> {
  const { stdout, stderr } = await execa(executable, [flag]);
  return `${stdout}${stderr}`.split('\n')[0] ?? '';
}

type Who = 'ours' | 'aria2c' | 'curl';

interface Run {
  repeat: number;
  who: Who;
  /** From the request to the checked file. Of ours what a worker sees, which runs already. */
  seconds: number;
  /** With the start of Node; of the others the same as above. */
  processSeconds: number;
  fetchSeconds: number | null;
  hashSeconds: number | null;
  /** Beside sha256sum: the same hash by OpenSSL, which uses the instructions that the processor has for it. */
  opensslSeconds: number | null;
  cpuSeconds: number;
  residentMb: number;
}

async function compare() {
  const random = new Random(bench.seed);
  const runs: Run[] = [];
  // The first file that is written pays for memory that the machine has not used yet.
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
    for (const who of order) {
      const run = await runOne(who, repeat);
      runs.push(run);
      console.log(`${repeat} ${who}: ${run.seconds.toFixed(2)} s, CPU ${run.cpuSeconds.toFixed(2)} s`);
    }
  }
  return { figures: describe(runs), raw: runs };
}

async function runOne(who: Who, repeat: number): Promise<Run> {
  try {
    return { repeat, who, ...(who === 'ours' ? await fetchOurs() : await fetchWith(fetchers[who])) };
  } finally {
    for (const name of await readdir(got)) await rm(`${got}/${name}`);
    await sleep(500);
  }
}

function oursArgv(): [string, ...string[]] {
  const program = `${projectRoot}/test/bench/download-child.ts`;
  return server.reach([process.execPath, '--import', 'tsx', program, server.url, target, String(fileBytes), sha256]);
}

async function fetchOurs() {
  const [program, ...argv] = oursArgv();
  const { stdout, wallSeconds, ...cost } = await measureProcess(program, argv, env);
  const { seconds } = ChildSaid.parse(JSON.parse(stdout));
  return { seconds, processSeconds: wallSeconds, fetchSeconds: null, hashSeconds: null, opensslSeconds: null, ...cost };
}

async function fetchWith(command: readonly string[]) {
  const [program, ...argv] = server.reach([...command, server.url]);
  const fetched = await measureProcess(program, argv, env);
  const hashed = await measureProcess('sha256sum', [target], env);
  if (!hashed.stdout.startsWith(sha256)) throw new Error(`${program} fetched another file`);
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

function describe(runs: Run[]): Figure[] {
  const of = (who: Who, pick: (run: Run) => number) => runs.filter((run) => run.who === who).map(pick);
  const seconds = ({ seconds: all }: Run) => all;
  const withOpenssl = ({ fetchSeconds, opensslSeconds }: Run) => (fetchSeconds ?? NaN) + (opensslSeconds ?? NaN);
  // Within each repeat: what drifts slowly cancels out.
  const ratios = (mine: (run: Run) => number, who: Who, theirs: (run: Run) => number) =>
    of('ours', mine).map((ours, index) => ours / (of(who, theirs)[index] ?? NaN));
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
    ...(['ours', 'aria2c', 'curl'] as const).flatMap((who) => [
      summarize(
        `CPU, ${who}`,
        's',
        of(who, (run) => run.cpuSeconds),
      ),
      summarize(
        `most memory, ${who}`,
        'MB',
        of(who, (run) => run.residentMb),
      ),
    ]),
  ];
}

interface Kill {
  repeat: number;
  openRanges: number;
  /** By all connections, as the server counts it: what was on its way to the killed process is among it. */
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
    const { resumedFromBytes } = ChildSaid.parse(JSON.parse(resumed.stdout));
    if ((await sha256OfFile(target)) !== sha256) throw new Error('the resumed file is another one');
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

/** What a process that is at work, or was killed at it, has written down to be in its part. */
function readPart(): ByteSpans {
  const spans = new ByteSpans();
  const lines = existsSync(state) ? readFileSync(state, 'utf8').split('\n').slice(1, -1) : [];
  for (const line of lines) spans.add(PartSpan.parse(JSON.parse(line)));
  return spans;
}
