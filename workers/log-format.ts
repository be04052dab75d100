import { format, inspect } from 'node:util';
import { DefaultLogger } from '@temporalio/worker';
import { readEnv } from './env.ts';

/**
 * Sets the format of this worker's log. With EVERSWIN_LOG_FORMAT=json, each entry is one line on standard output, a JSON
 * object, as journald, Docker and Kubernetes collect it.
 */
export function setLogFormat(): void {
  if (readEnv().EVERSWIN_LOG_FORMAT === 'text') return;
  for (const [method, level] of Object.entries({
    debug: 'DEBUG',
    log: 'INFO',
    info: 'INFO',
    warn: 'WARN',
    error: 'ERROR',
  }))
    Object.assign(console, { [method]: (...values: unknown[]) => write({ level, message: format(...values) }) });
  process.removeAllListeners('warning'); // Node's own prints text
  process.on('warning', (warning) => write({ level: 'WARN', message: String(warning) }));
}

/** Returns the logger of the Temporal SDK in the format of this worker's log. */
export const createLogger = (): DefaultLogger =>
  readEnv().EVERSWIN_LOG_FORMAT === 'text'
    ? new DefaultLogger('INFO')
    : new DefaultLogger('INFO', ({ level, message, meta }) => write({ level, message, ...meta }));

interface LogEntry {
  level: string;
  message: string;
}

function write(entry: LogEntry): void {
  process.stdout.write(`${formatLogEntry({ time: new Date().toISOString(), ...entry })}\n`);
}

/** Formats an entry as JSON without a line break, whatever values it holds. */
export function formatLogEntry(entry: LogEntry & { time: string }): string {
  try {
    return JSON.stringify(entry, (_, value: unknown) => {
      if (typeof value === 'bigint') return String(value);
      if (!(value instanceof Error)) return value;
      const { message, stack, cause } = value; // not enumerable
      return Object.assign({ message, stack, cause }, value);
    });
  } catch {
    const { time, level, message } = entry;
    return JSON.stringify({ time, level, message, fields: inspect(entry) }); // for example an object that contains itself
  }
}
