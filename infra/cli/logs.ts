import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { findNewestLog, listLoggedRanks } from '../../activities/shared/run/run-logs.ts';
import { runFolder, type RunFolder } from '../../configs/paths.ts';
import { RunName } from '../../configs/schema/index.ts';
import { defaultHome } from '../stack/stack-options.ts';
import { exitCodes, UsageError } from '../terminal/program.ts';
import { waitForInterrupt } from '../terminal/wait-for-interrupt.ts';
import { explainUnknownRun } from './unknown-run.ts';

/** Interval at which a follower looks for the log of a new attempt, or of the test. */
const searchMs = 1000;

interface LogsOptions {
  rank: number;
  lines: number;
  follow?: boolean | undefined;
}

/** Prints the end of the log that a run wrote last, of its training or its test. Needs no server. */
export async function logs(runId: string, { rank, lines, follow = false }: LogsOptions): Promise<void> {
  const home = defaultHome();
  if (!RunName.safeParse(runId).success || !existsSync(runFolder(home, runId).root))
    throw new UsageError(await explainUnknownRun(home, runId));
  const run = runFolder(home, runId);
  const log = await findNewestLog(run, rank);
  if (log === undefined) throw new UsageError(await explainNoLog(run, runId, rank));
  if (!follow) return printLines(log, [`--lines=${lines}`]);
  const interrupted = new AbortController();
  void waitForInterrupt().then(() => interrupted.abort());
  await followLogs(log, lines, () => findNewestLog(run, rank), interrupted.signal);
  process.exitCode = exitCodes.interrupted;
}

/** Follows one log until another one is newer. */
async function followLogs(
  first: string,
  lines: number,
  findNewest: () => Promise<string | undefined>,
  interrupted: AbortSignal,
): Promise<void> {
  for (let log = first, begin = String(lines); !interrupted.aborted; begin = '+1') {
    const replaced = new AbortController();
    const printing = printLines(
      log,
      [`--lines=${begin}`, '--follow=name', '--retry'],
      AbortSignal.any([replaced.signal, interrupted]),
    );
    const next = await findOther(log, findNewest, interrupted);
    replaced.abort();
    await printing;
    log = next;
  }
}

/** Waits until a run writes another log. @returns the same log when interrupted. */
async function findOther(
  log: string,
  findNewest: () => Promise<string | undefined>,
  interrupted: AbortSignal,
): Promise<string> {
  for (let newest: string | undefined = log; ; newest = await findNewest()) {
    if (interrupted.aborted || (newest !== undefined && newest !== log)) return newest ?? log;
    await sleep(searchMs, undefined, { signal: interrupted }).catch(() => undefined);
  }
}

/** Prints lines of a file, without control characters, which a terminal would obey. */
async function printLines(file: string, options: string[], stop?: AbortSignal): Promise<void> {
  console.error(`==> ${file} <==`);
  await execa('tail', [...options, '--', file], {
    stdout: [withoutControlCharacters, 'inherit'],
    stderr: 'ignore',
    reject: stop === undefined,
    buffer: false,
    ...(stop && { cancelSignal: stop }),
  });
}

function* withoutControlCharacters(line: unknown): Generator<string> {
  yield String(line).replaceAll(/(?!\t)\p{Cc}/gu, '');
}

async function explainNoLog(run: RunFolder, runId: string, rank: number): Promise<string> {
  const ranks = await listLoggedRanks(run);
  if (ranks.length > 0) return `Run ${runId} has no log of rank ${rank}. Ranks with a log here: ${ranks.join(', ')}.`;
  return `Run ${runId} has no log in ${run.root}: its training has not started on this machine. Its state: everswin status ${runId}`;
}
