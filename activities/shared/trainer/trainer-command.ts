import { createInterface } from 'node:readline';
import { execa } from 'execa';
import type { z } from 'zod';
import { StageProgress } from '../../../configs/schema/index.ts';
import { CodedError } from '../errors/coded-error.ts';
import { findFailureClass, storageCode } from '../errors/failure-catalogue.ts';
import { parseJson, readJson } from '../files/json-file.ts';
import { withTemporaryFolder } from '../files/scratch-folder.ts';
import type { PythonCommand } from './trainer-process.ts';

/** Long commands report progress about once a second. */
const maxSilenceMs = 10 * 60_000;

/** Python package of the trainer. */
export const trainerModule = 'everswin_trainer';

interface TrainerCommand<T extends z.ZodType> {
  python: PythonCommand;
  /** Python module that has the command. */
  module?: string;
  argv: string[];
  /** Schema of the JSON file that the command writes to `--out`. */
  output: T;
  signal: AbortSignal;
  onStage?: (line: StageProgress) => void;
}

/**
 * Runs a command of the trainer and returns the JSON that it writes to `--out`.
 * @throws CodedError TrainerCommandFailed, StorageUnavailable or DiskFull, with the end of its output; the signal's reason
 * when aborted.
 */
export const runTrainerCommand = <T extends z.ZodType>(command: TrainerCommand<T>): Promise<z.infer<T>> =>
  withTemporaryFolder((folder) => runCommand(command, `${folder}/output.json`));

async function runCommand<T extends z.ZodType>({
  python,
  module = trainerModule,
  argv,
  output: answer,
  signal,
  onStage,
}: TrainerCommand<T>, out: string): Promise<z.infer<T>> {
  const silence = new AbortController();
  const onSilence = () => silence.abort(new Error(`no output for ${maxSilenceMs / 60_000} minutes`));
  const timer = setTimeout(onSilence, maxSilenceMs);
  try {
    const running = execa(python.executable, ['-m', module, ...argv, '--out', out], {
      // The command ends with this process, even after kill -9.
      env: { ...python.env, EVERSWIN_WORKER_PID: String(process.pid) },
      extendEnv: false,
      stdin: 'ignore',
      all: true,
      maxBuffer: 10_000_000,
      cancelSignal: AbortSignal.any([signal, silence.signal]),
      reject: false,
    });
    running.all.on('data', () => timer.refresh());
    createInterface(running.stdout).on('line', (line) => {
      const stage = parseJson(line, StageProgress);
      if (stage !== undefined) onStage?.(stage);
    });
    const result = await running;
    signal.throwIfAborted();
    const parsed = await readJson(out, answer);
    if (!result.failed && parsed !== undefined) return parsed;
    const why = !result.failed
      ? 'wrote output that does not match its schema'
      : result.signal === 'SIGKILL' && !result.isCanceled
        ? 'was killed (SIGKILL), usually by the kernel because memory ran out (see dmesg), or by a user'
        : (result.shortMessage ?? 'failed');
    const tail = result.all.trim().split('\n').slice(-20);
    const name = `${module} ${argv[0] ?? ''}`;
    const exception = tail.at(-1) ?? ''; // the last line of a Python traceback
    const code = storageCode(findFailureClass(exception)?.reaction);
    if (code !== undefined) throw new CodedError(code, `${name}: ${exception}`);
    throw new CodedError('TrainerCommandFailed', [`${name}: ${why}`, ...tail].join('\n'));
  } finally {
    clearTimeout(timer);
  }
}
