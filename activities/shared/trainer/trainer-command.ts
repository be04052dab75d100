import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import type { z } from 'zod';
import { StageLine } from '../../../configs/schema/index.ts';
import { CodedError } from '../errors/coded-error.ts';
import { parseJson, readJson } from '../files/json-file.ts';
import type { PythonCommand } from './trainer-process.ts';

/** Those that take long say about once a second how far they are. */
const longestSilenceMs = 10 * 60_000;

export interface TrainerCommand<T extends z.ZodType> {
  python: PythonCommand;
  argv: string[];
  /** Schema of the file that `--out` names. */
  output: T;
  signal: AbortSignal;
  onStage?: (line: StageLine) => void;
}

/**
 * Runs a command of the trainer that writes its answer to the file named by `--out`.
 * @throws CodedError TrainerCommandFailed with the end of its output; the signal's reason when aborted.
 */
export async function runTrainerCommand<T extends z.ZodType>({
  python,
  argv,
  output: answer,
  signal,
  onStage,
}: TrainerCommand<T>): Promise<z.infer<T>> {
  const folder = await mkdtemp(`${tmpdir()}/everswin-`);
  const out = `${folder}/answer.json`;
  const silence = new AbortController();
  const onSilence = () => silence.abort(new Error(`said nothing for ${longestSilenceMs / 60_000} minutes`));
  const timer = setTimeout(onSilence, longestSilenceMs);
  try {
    const running = execa(python.executable, ['-m', 'everswin_trainer', ...argv, '--out', out], {
      env: python.env,
      extendEnv: false,
      stdin: 'ignore',
      all: true,
      maxBuffer: 10_000_000,
      cancelSignal: AbortSignal.any([signal, silence.signal]),
      reject: false,
    });
    running.all.on('data', () => timer.refresh());
    createInterface(running.stdout).on('line', (line) => {
      const stage = parseJson(line, StageLine);
      if (stage !== undefined) onStage?.(stage);
    });
    const result = await running;
    signal.throwIfAborted();
    const parsed = await readJson(out, answer);
    if (!result.failed && parsed !== undefined) return parsed;
    const why = result.failed ? (result.shortMessage ?? 'failed') : 'answered with something that its schema refuses';
    const tail = result.all.trim().split('\n').slice(-20).join('\n');
    throw new CodedError('TrainerCommandFailed', `everswin_trainer ${argv[0] ?? ''}: ${why}\n${tail}`);
  } finally {
    clearTimeout(timer);
    await rm(folder, { recursive: true, force: true });
  }
}
