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
  const base = { v: 1, attempt: 1, fence: 1, stopRequested: false, startedAt: 1, endedAt: 2 } as const;
  return { exit: { ...base, code: 1, signal: null, reason: 'crashed', rootCause: null, ...over } };
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

/** Evidence that only the worker has, for samples whose log is not enough. */
const endings: Record<string, JobOutcome> = {
  hung: exit({ reason: 'hung', rootCause: rootCause({ rank: null, pid: null, message: 'no step for 60 s' }) }),
  killed: exit({ rootCause: rootCause({ signal: 'SIGKILL' }) }),
  'supervisor-killed': supervisorLost,
};
const classes = failureCatalogue.map(({ entry }) => entry.class);
const readSample = (name: string) => readFile(`${samplesFolder}/${name}.log`, 'utf8');

describe('the failure catalogue', () => {
  test('has exactly one sample log for each class', async () => {
    expect((await readdir(samplesFolder)).sort()).toEqual(classes.map((name) => `${name}.log`).sort());
  });

  test.each(classes)('classifies the sample log of %s', async (name) => {
    const failure = classify(await readSample(name), { outcome: endings[name] ?? exit() });
    expect(failure.class).toBe(name);
    expect(failure.evidence).not.toBe('');
    expect(failure.evidence.length).toBeLessThanOrEqual(300);
  });

  test('has a sample line for each pattern', async () => {
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

  test('matches lines of a sample only with its own class or as weak evidence', async () => {
    for (const name of classes) {
      const lone = (await readSample(name)).split('\n').map((line) => classify(line).class);
      const allowed = new Set([name, 'unknown', 'nccl-timeout', 'nccl-init', 'loader-worker-killed', 'terminated']);
      expect(
        lone.filter((found) => !allowed.has(found)),
        name,
      ).toEqual([]);
    }
  });

  test('names each class once and ends with the fallback class', () => {
    expect(new Set(classes).size).toBe(classes.length);
    expect(classes.at(-1)).toBe('unknown');
  });

  test('allows one try for failures that a retry cannot fix', () => {
    for (const { entry } of failureCatalogue) expect(entry.tries === 1, entry.class).toBe(entry.reaction === 'stop');
  });
});

describe('with several causes, classifyFailure', () => {
  const oom = '[rank2]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.21 GiB.';
  const watchdog = '[rank0]: Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=ALLREDUCE)';
  const full = '[rank1]: OSError: [Errno 28] No space left on device';

  test('reports the first one in time', () => {
    expect(classify(`${full}\n${oom}`).class).toBe('disk-full');
    expect(classify(`${oom}\n${full}`).class).toBe('out-of-gpu-memory');
  });

  test('ignores a consequence on another rank, even if it was printed first', () => {
    expect(classify(`${watchdog}\n${oom}`)).toMatchObject({ class: 'out-of-gpu-memory', evidence: oom });
    expect(classify(`${oom}\n${watchdog}`).class).toBe('out-of-gpu-memory');
  });

  test('prefers the limit that the supervisor names to the loader process that the kernel killed', () => {
    const loader = 'RuntimeError: DataLoader worker (pid 12) is killed by signal: Killed.';
    const limit =
      'supervise: out of memory: the kernel killed a process of this machine; the limit of cgroup /a is 512 MiB';
    expect(classify(`${loader}\n${limit}`)).toMatchObject({ class: 'out-of-host-memory', evidence: limit });
    expect(classify(loader).class).toBe('loader-worker-killed');
  });

  test('prefers a killed rank to broken links of other ranks', () => {
    const outcome = exit({ rootCause: rootCause({ signal: 'SIGKILL' }) });
    expect(classify(watchdog, { outcome }).class).toBe('killed');
  });

  test('reports an abort by NCCL as a timeout', () => {
    const outcome = exit({ rootCause: rootCause({ signal: 'SIGABRT' }) });
    expect(classify(watchdog, { outcome }).class).toBe('nccl-timeout');
  });

  test('prefers a later kill to a single NaN loss', () => {
    const outcome = exit({ rootCause: rootCause({ signal: 'SIGKILL' }) });
    expect(classify('Epoch(train) [1][50/100] loss: nan', { outcome }).class).toBe('killed');
    expect(classify('Epoch(train) [1][50/100] loss: nan').class).toBe('diverged');
  });

  test('ignores lines that the report of torchrun repeats', () => {
    const report = 'torch.distributed.elastic.multiprocessing.errors.ChildFailedError:';
    expect(classify(`${report}\n${oom}`).class).toBe('unknown');
  });

  test('considers the logs of other ranks, which follow that report', () => {
    const report = 'torch.distributed.elastic.multiprocessing.errors.ChildFailedError:';
    const line = '[rank 3] MemoryError';
    const failure = classify(`${report}\n${oom}\n${line}\n[rank 2] done`);
    expect(failure).toMatchObject({ class: 'out-of-host-memory', evidence: line });
  });
});

describe('without a matching line, classifyFailure', () => {
  test('uses the exception that torchelastic recorded', () => {
    const outcome = exit({
      rootCause: rootCause({ exitCode: 1, message: 'OSError: [Errno 28] No space left on device' }),
    });
    expect(classify('', { outcome })).toMatchObject({ class: 'disk-full', reaction: 'wait-for-space' });
  });

  test.each([
    ['a crash', exit()],
    ['a supervisor that could not write its last words', supervisorLost],
  ])('attributes %s to the full disk when no space is left', (_what, outcome) => {
    expect(classify('', { outcome, freeBytes: 1024 * 1024 - 1 }).class).toBe('disk-full');
    expect(classify('', { outcome, freeBytes: 1024 * 1024 }).class).not.toBe('disk-full');
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

  test('maps a shell exit code to its signal', () => {
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
