import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { classifyFailure, type FailedAttempt } from '../../../../activities/train/failures/classify-failure.ts';
import { failureCatalogue } from '../../../../activities/shared/errors/failure-catalogue.ts';
import type { JobOutcome } from '../../../../activities/shared/trainer/trainer-process.ts';
import type { RootCause, TrainerExit } from '../../../../configs/schema/index.ts';
import { projectRoot } from '../../../helpers/project.ts';

const samplesFolder = `${projectRoot}/test/fixtures/failures`;
const lots = 1e12;

const exit = (over: Partial<TrainerExit> = {}): JobOutcome => {
  const who = { v: 1, attempt: 1, fence: 1, stopRequested: false, startedAt: 1, endedAt: 2 } as const;
  return { exit: { ...who, code: 1, signal: null, reason: 'crashed', rootCause: null, ...over } };
};
const rootCause = (over: Partial<RootCause>): RootCause => ({
  rank: 2,
  pid: 41877,
  exitCode: null,
  signal: null,
  message: 'Signal 9 (SIGKILL) received by PID 41877',
  at: 1,
  ...over,
});
const supervisorLost: JobOutcome = {
  supervisorLost: {
    v: 1,
    pid: 7,
    startTicks: 1,
    host: 'here',
    attempt: 1,
    fence: 1,
    logOffset: 0,
    gpus: [],
    startedAt: 1,
  },
};
const classify = (text: string, over: Partial<FailedAttempt> = {}) =>
  classifyFailure({ lines: text.split('\n'), outcome: exit(), freeBytes: lots, ...over });

/** What the worker sees itself, where the log alone does not say it. */
const endings: Record<string, JobOutcome> = {
  hung: exit({ reason: 'hung', rootCause: rootCause({ rank: null, pid: null, message: 'no step for 60 s' }) }),
  killed: exit({ rootCause: rootCause({ signal: 'SIGKILL' }) }),
  'supervisor-killed': supervisorLost,
};
const classes = failureCatalogue.map(({ entry }) => entry.class);
const readSample = (name: string) => readFile(`${samplesFolder}/${name}.log`, 'utf8');

describe('the catalogue', () => {
  test('has one sample log for each class, and no others', async () => {
    expect((await readdir(samplesFolder)).sort()).toEqual(classes.map((name) => `${name}.log`).sort());
  });

  test.each(classes)('tells %s by its sample log', async (name) => {
    const failure = classify(await readSample(name), { outcome: endings[name] ?? exit() });
    expect(failure.class).toBe(name);
    expect(failure.evidence).not.toBe('');
    expect(failure.evidence.length).toBeLessThanOrEqual(300);
  });

  test('has no pattern that no sample shows', async () => {
    for (const { entry, patterns } of failureCatalogue) {
      const lines = (await readSample(entry.class)).split('\n');
      for (const pattern of patterns) {
        expect(
          lines.some((line) => pattern.test(line)),
          `${entry.class}: ${pattern.source}`,
        ).toBe(true);
      }
    }
  });

  test('knows by their texts only such lines of a sample as belong to its class, or are consequences', async () => {
    for (const name of classes) {
      const lone = (await readSample(name)).split('\n').map((line) => classify(line).class);
      const allowed = new Set([name, 'unknown', 'nccl-timeout', 'nccl-init', 'loader-worker-killed', 'terminated']);
      expect(
        lone.filter((found) => !allowed.has(found)),
        name,
      ).toEqual([]);
    }
  });

  test('names each class once and ends with the one for everything else', () => {
    expect(new Set(classes).size).toBe(classes.length);
    expect(classes.at(-1)).toBe('unknown');
  });

  test('tries once what another attempt would not mend', () => {
    for (const { entry } of failureCatalogue) expect(entry.tries === 1, entry.class).toBe(entry.reaction === 'stop');
  });
});

describe('of several causes', () => {
  const oom = '[rank2]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.21 GiB.';
  const watchdog = '[rank0]: Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=ALLREDUCE)';
  const full = '[rank1]: OSError: [Errno 28] No space left on device';

  test('the first by time counts', () => {
    expect(classify(`${full}\n${oom}`).class).toBe('disk-full');
    expect(classify(`${oom}\n${full}`).class).toBe('out-of-gpu-memory');
  });

  test('a consequence on another rank loses, whichever was printed first', () => {
    expect(classify(`${watchdog}\n${oom}`)).toMatchObject({ class: 'out-of-gpu-memory', evidence: oom });
    expect(classify(`${oom}\n${watchdog}`).class).toBe('out-of-gpu-memory');
  });

  test('a rank that was killed explains what the others print about their broken link', () => {
    const ending = exit({ rootCause: rootCause({ signal: 'SIGKILL' }) });
    expect(classify(watchdog, { outcome: ending }).class).toBe('killed');
  });

  test('a rank that NCCL itself aborted is a timeout, not an unknown signal', () => {
    const ending = exit({ rootCause: rootCause({ signal: 'SIGABRT' }) });
    expect(classify(watchdog, { outcome: ending }).class).toBe('nccl-timeout');
  });

  test('a loss that was NaN once does not explain a later kill', () => {
    const ending = exit({ rootCause: rootCause({ signal: 'SIGKILL' }) });
    expect(classify('Epoch(train) [1][50/100] loss: nan', { outcome: ending }).class).toBe('killed');
    expect(classify('Epoch(train) [1][50/100] loss: nan').class).toBe('diverged');
  });

  test('what torchrun repeats in its report does not count', () => {
    const report = 'torch.distributed.elastic.multiprocessing.errors.ChildFailedError:';
    expect(classify(`${report}\n${oom}`).class).toBe('unknown');
  });

  test('but what another rank said in a log of its own counts, though it is read after that report', () => {
    const report = 'torch.distributed.elastic.multiprocessing.errors.ChildFailedError:';
    const said = '[rank 3] MemoryError';
    const failure = classify(`${report}\n${oom}\n${said}\n[rank 2] done`);
    expect(failure).toMatchObject({ class: 'out-of-host-memory', evidence: said });
  });
});

describe('without a line that tells', () => {
  test('the exception that torchelastic recorded counts', () => {
    const ending = exit({
      rootCause: rootCause({ exitCode: 1, message: 'OSError: [Errno 28] No space left on device' }),
    });
    expect(classify('', { outcome: ending })).toMatchObject({ class: 'disk-full', reaction: 'wait-for-space' });
  });

  test.each([
    ['a crash', exit()],
    ['a supervisor that could not write its last words', supervisorLost],
  ])('%s on a full disk is the disk', (_what, ending) => {
    expect(classify('', { outcome: ending, freeBytes: 1024 * 1024 - 1 }).class).toBe('disk-full');
    expect(classify('', { outcome: ending, freeBytes: 1024 * 1024 }).class).not.toBe('disk-full');
  });

  test.each([
    ['SIGKILL', 'killed'],
    ['SIGBUS', 'shared-memory'],
    ['SIGSEGV', 'native-crash'],
    ['SIGTERM', 'terminated'],
    ['SIGABRT', 'unknown'],
  ])('%s of the program is %s', (signal, name) => {
    expect(classify('', { outcome: exit({ code: null, signal }) }).class).toBe(name);
  });

  test('an exit code as a shell reports it is taken for its signal', () => {
    expect(classify('', { outcome: exit({ code: 137 }) }).class).toBe('killed');
    expect(classify('', { outcome: exit({ code: 3 }) }).class).toBe('unknown');
  });
});

test('evidence is one short line without control characters', () => {
  const { evidence } = classify(
    `\u001b[31mMemoryError\u001b[0m\nCUDA error: out of memory\u0000\u0007${'x'.repeat(500)}`,
  );
  expect(evidence).toBe(`CUDA error: out of memory ${'x'.repeat(274)}`);
});
