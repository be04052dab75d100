import type { Logger } from '@temporalio/worker';
import type { ErrorCode } from '../configs/errors.ts';

const readable: ErrorCode = 'PayloadUnreadable';

/**
 * Removes the messages of errors from the log of the SDK: they quote inputs, and are encrypted in the history. Type and
 * stack trace stay. Changes the logger itself, because the runtime has only one, which others may have installed.
 */
export function hideErrorMessages(logger: Logger): void {
  const log = logger.log.bind(logger);
  logger.log = (level, message, meta) => {
    log(level, message, meta && hide(meta));
  };
}

const hide = (meta: object): object => ({
  ...meta, // its symbols, too: the time of the entry
  ...Object.fromEntries(Object.entries(meta).map(([name, value]: [string, unknown]) => [name, withoutMessage(value)])),
});

function withoutMessage(value: unknown): unknown {
  // Errors of workflows come from another realm, where instanceof fails.
  if (Object.prototype.toString.call(value) !== '[object Error]') return value;
  const { name, type, stack = '' } = value as Error & { type?: string | null };
  if (type === readable) return value;
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  return [`${type ?? name} (its message is in the history, encrypted)`, ...frames].join('\n');
}
