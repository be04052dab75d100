/**
 * Classifies why an attempt failed. Log lines are sorted by time where it is known: the rank that failed first comes
 * first. Evidence is considered in this order:
 *  1. the first log line that names a cause;
 *  2. the exception that torchelastic recorded for the first rank that failed;
 *  3. the outcome: a full disk, a killed supervisor, a hang, a signal;
 *  4. the first line that may be a mere consequence of another rank's death, or that healthy trainings print as well;
 *  5. the exit code.
 * Otherwise the failure is unknown. If several classes match a line, the first one of the catalogue wins.
 */
import type { Failure, FailureClass } from '../../../configs/schema/index.ts';
import { hasSourcePrefix, stripSourcePrefix } from './attempt-log.ts';
import { formatCrash } from '../../shared/summary/format-crash.ts';
import { isDiskFull } from '../../shared/files/disk-full.ts';
import { failureCatalogue, findFailureClass, workerFailure } from '../../shared/errors/failure-catalogue.ts';
import { TooFewGpus } from '../../shared/trainer/start-job.ts';
import type { JobOutcome } from '../../shared/trainer/trainer-process.ts';

const evidenceCharacters = 300;
/** Free space below which a silent crash is attributed to the full disk. */
const fullDiskBytes = 1024 * 1024;

/** Consequences of a killed rank, such as a broken link or dead data loaders, and lines that healthy trainings print. */
const weakEvidence =
  /Watchdog caught collective|NCCL communicator was aborted|DistBackendError|nccl\w+Error|NCCL error in|exited unexpectedly|is killed by signal: Killed|\bloss: (nan|inf)\b|"loss": |Gradient overflow|results of the whole dataset is empty|compiled using NumPy 1|SignalException/;

/** Start of torchrun's report at the end of the main log, which repeats earlier lines. */
const elasticReportStart = 'ChildFailedError:';

/** Evidence about a failed attempt. */
export interface FailedAttempt {
  /** Log lines of this attempt, oldest first. */
  lines: readonly string[];
  outcome: JobOutcome;
  /** Free space on the disk of the job. */
  freeBytes: number;
}

interface Finding {
  entry: FailureClass;
  evidence: string;
}

export function classifyFailure({ lines, outcome, freeBytes }: FailedAttempt): Failure {
  const log = findInLines(lines);
  const message = findInLines(recordedMessage(outcome));
  const { entry, evidence } = log.strong ??
    message.strong ??
    findInOutcome(outcome, freeBytes) ??
    log.weak ??
    message.weak ??
    findByExitCode(outcome) ?? { entry: workerFailure('unknown'), evidence: formatOutcome(outcome) };
  return buildFailure(entry, evidence);
}

/** Classifies a failed start. @param lines the end of the log, which may include lines of earlier attempts. */
export function classifyFailedStart(error: Error, lines: readonly string[]): Failure {
  const [message = ''] = error.message.split('\n', 1);
  if (error instanceof TooFewGpus) return buildFailure(workerFailure('too-few-gpus'), message);
  if (isDiskFull(error)) return buildFailure(workerFailure('disk-full'), message);
  // Only the newest line surely belongs to this attempt.
  const found = [message, lines.at(-1) ?? ''].map((text) => ({ entry: findClass(text), text }));
  const { entry, text } = found.find((one) => one.entry !== undefined) ?? { entry: undefined, text: message };
  return buildFailure(entry ?? workerFailure('supervisor-killed'), text);
}

export function buildFailure(entry: FailureClass, evidence: string): Failure {
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

const findClass = (line: string): FailureClass | undefined => findFailureClass(stripSourcePrefix(line));

const recordedMessage = (outcome: JobOutcome): string[] =>
  'exit' in outcome ? (outcome.exit.rootCause?.message.split('\n') ?? []) : [];

function findInOutcome(outcome: JobOutcome, freeBytes: number): Finding | undefined {
  if (freeBytes < fullDiskBytes) {
    return { entry: workerFailure('disk-full'), evidence: `${freeBytes} bytes free on the disk of the run` };
  }
  if ('supervisorLost' in outcome)
    return { entry: workerFailure('supervisor-killed'), evidence: formatOutcome(outcome) };
  const { exit } = outcome;
  if (exit.reason === 'hung') return { entry: workerFailure('hung'), evidence: formatOutcome(outcome) };
  const signal = exit.rootCause?.signal ?? exit.signal;
  const bySignal = failureCatalogue.find(({ entry }) => signal !== null && entry.signals.includes(signal));
  return bySignal && { entry: bySignal.entry, evidence: formatOutcome(outcome) };
}

function findByExitCode(outcome: JobOutcome): Finding | undefined {
  if (!('exit' in outcome)) return undefined;
  const code = outcome.exit.rootCause?.exitCode ?? outcome.exit.code;
  const byCode = failureCatalogue.find(({ entry }) => code !== null && entry.exitCodes.includes(code));
  return byCode && { entry: byCode.entry, evidence: formatOutcome(outcome) };
}

const formatOutcome = (outcome: JobOutcome): string =>
  'exit' in outcome ? formatCrash(outcome.exit) : `The supervisor (pid ${outcome.supervisorLost.pid}) was killed.`;

/** Removes control characters, because evidence is shown in terminals and pages, and limits its length. */
const truncateEvidence = (text: string): string =>
  text
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, evidenceCharacters);
