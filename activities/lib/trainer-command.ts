import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import type { z } from 'zod';
import { CodedError } from './coded-error.ts';
import { readJson } from './json-file.ts';
import type { PythonCommand } from './trainer-process.ts';

const timeoutMs = 10 * 60_000;

/**
 * Runs a short command of the trainer that writes its answer to the file named by `--out`.
 * @throws CodedError TrainerCommandFailed with the end of its output; the signal's reason when aborted.
 */
export async function askTrainer<T extends z.ZodType>(
  python: PythonCommand,
  argv: string[],
  answer: T,
  signal: AbortSignal,
): Promise<z.infer<T>> {
  const folder = await mkdtemp(`${tmpdir()}/everswin-`);
  const out = `${folder}/answer.json`;
  try {
    const result = await execa(python.executable, ['-m', 'everswin_trainer', ...argv, '--out', out], {
      env: python.env,
      extendEnv: false,
      stdin: 'ignore',
      all: true,
      maxBuffer: 1_000_000,
      timeout: timeoutMs,
      cancelSignal: signal,
      reject: false,
    });
    signal.throwIfAborted();
    const parsed = await readJson(out, answer);
    if (!result.failed && parsed !== undefined) return parsed;
    const why = result.failed ? (result.shortMessage ?? 'failed') : 'answered with something that its schema refuses';
    const tail = result.all.trim().split('\n').slice(-20).join('\n');
    throw new CodedError('TrainerCommandFailed', `everswin_trainer ${argv[0] ?? ''}: ${why}\n${tail}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
