/**
 * Why an attempt failed. Lines stand in the order of time, as far as it is known: those of the rank that failed first
 * come first. What counts, in this order:
 *  1. the first line that names a cause;
 *  2. the exception that torchelastic recorded of the first rank that failed;
 *  3. the ending itself: a full disk, a supervisor that was killed, a hang, a signal;
 *  4. the first line that may be a mere consequence of another rank's death, or that a healthy training prints too;
 *  5. the exit code;
 * and otherwise the failure is unknown. Of two classes that know one line, the catalogue's first is taken.
 */
import type { Failure, FailureClass } from '../../../configs/schema/index.ts';
import { hasSourcePrefix, stripSourcePrefix } from './attempt-log.ts';
import { formatCrash } from './format-crash.ts';
import { isDiskFull } from '../../shared/files/disk-full.ts';
import { failureCatalogue, workerFailure } from '../../shared/errors/failure-catalogue.ts';
import type { JobOutcome } from '../../shared/trainer/trainer-process.ts';

const evidenceCharacters = 300;
/** With less free than this, an ending without a word is one that could not write it. */
const fullDiskBytes = 1024 * 1024;

const fullDiskMessage = 'No space left on device';

/** Killed ranks leave the others with a broken link; loaders die with their rank; a loss may be NaN once and recover. */
const weakEvidence =
  /Watchdog caught collective|NCCL communicator was aborted|DistBackendError|nccl\w+Error|NCCL error in|exited unexpectedly|\bloss: (nan|inf)\b|"loss": |Gradient overflow|results of the whole dataset is empty|compiled using NumPy 1|SignalException/;

/** torchrun's own report, the last thing in the first rank's log, says again what was said before. */
const elasticReportStart = 'ChildFailedError:';

/** How a job can end when nobody wanted it to. */
export interface FailedAttempt {
  /** Of this attempt only, oldest first. */
  lines: readonly string[];
  outcome: JobOutcome;
  /** On the disk of the job. */
  freeBytes: number;
}

interface Finding {
  entry: FailureClass;
  evidence: string;
}

export function classifyFailure({ lines, outcome: ending, freeBytes }: FailedAttempt): Failure {
  const log = findInLines(lines);
  const message = findInLines(recordedMessage(ending));
  const { entry, evidence } = log.strong ??
    message.strong ??
    findInOutcome(ending, freeBytes) ??
    log.weak ??
    message.weak ??
    findByExitCode(ending) ?? { entry: workerFailure('unknown'), evidence: formatOutcome(ending) };
  return buildFailure(entry, evidence);
}

/** Of a supervisor that ended before it began; `lines` are the end of the log, where earlier attempts may stand too. */
export function classifyFailedStart(error: Error, lines: readonly string[]): Failure {
  const { message } = error;
  const isFull = isDiskFull(error) || lines.at(-1)?.includes(fullDiskMessage) === true;
  return buildFailure(workerFailure(isFull ? 'disk-full' : 'supervisor-killed'), message);
}

function buildFailure(entry: FailureClass, evidence: string): Failure {
  const { class: name, reaction, tries, meaning, nextStep } = entry;
  return { class: name, reaction, tries, evidence: truncateEvidence(evidence), meaning, nextStep };
}

function findInLines(lines: readonly string[]): { strong?: Finding; weak?: Finding } {
  let weak: Finding | undefined;
  let isReport = false;
  for (const line of lines) {
    isReport ||= line.includes(elasticReportStart);
    if (isReport && !hasSourcePrefix(line)) continue;
    const entry = findClass(line);
    if (entry === undefined) continue;
    if (!weakEvidence.test(line)) return { strong: { entry, evidence: line } };
    weak ??= { entry, evidence: line };
  }
  return weak === undefined ? {} : { weak };
}

const findClass = (line: string): FailureClass | undefined =>
  failureCatalogue.find(({ patterns }) => patterns.some((pattern) => pattern.test(stripSourcePrefix(line))))?.entry;

const recordedMessage = (ending: JobOutcome): string[] =>
  'exit' in ending ? (ending.exit.rootCause?.message.split('\n') ?? []) : [];

function findInOutcome(ending: JobOutcome, freeBytes: number): Finding | undefined {
  if (freeBytes < fullDiskBytes) {
    return { entry: workerFailure('disk-full'), evidence: `${freeBytes} bytes are free on the disk of the run` };
  }
  if ('supervisorLost' in ending) return { entry: workerFailure('supervisor-killed'), evidence: formatOutcome(ending) };
  const { exit } = ending;
  if (exit.reason === 'hung') return { entry: workerFailure('hung'), evidence: formatOutcome(ending) };
  const signal = exit.rootCause?.signal ?? exit.signal;
  const bySignal = failureCatalogue.find(({ entry }) => signal !== null && entry.signals.includes(signal));
  return bySignal && { entry: bySignal.entry, evidence: formatOutcome(ending) };
}

function findByExitCode(ending: JobOutcome): Finding | undefined {
  if (!('exit' in ending)) return undefined;
  const code = ending.exit.rootCause?.exitCode ?? ending.exit.code;
  const byCode = failureCatalogue.find(({ entry }) => code !== null && entry.exitCodes.includes(code));
  return byCode && { entry: byCode.entry, evidence: formatOutcome(ending) };
}

const formatOutcome = (ending: JobOutcome): string =>
  'exit' in ending ? formatCrash(ending.exit) : `The supervisor (pid ${ending.supervisorLost.pid}) was killed.`;

/** It is shown in terminals and pages, so control characters of a log go. */
const truncateEvidence = (text: string): string =>
  text
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, evidenceCharacters);
