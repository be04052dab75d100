import { z } from 'zod';
import { CodedError } from '../shared/errors/coded-error.ts';

/** Properties of nodemailer errors. Their messages quote the server, which may echo the password. */
const NodemailerError = z.object({
  code: z.string(),
  /** System or TLS error code, such as ECONNREFUSED. */
  originalCode: z.string().optional(),
  /** Status code of the response, and the command it answers; `CONN` is the greeting. */
  responseCode: z.number().optional(),
  command: z.string().optional(),
});

/** Codes of errors in our own configuration, raised without a response of the server. */
const configurationCodes = new Set(['EAUTH', 'EENVELOPE', 'EMESSAGE', 'ECONFIG']);

/**
 * Converts a nodemailer error to NotifyFailed or NotifyRefused without host, user or password. Returns other errors
 * unchanged.
 */
export function toMailError(error: unknown): unknown {
  const { data } = NodemailerError.safeParse(error);
  if (data === undefined) return error;
  const { code, originalCode, responseCode, command = 'CONN' } = data;
  if (responseCode === undefined)
    return configurationCodes.has(code)
      ? new CodedError('NotifyRefused', `The mail settings of the worker are invalid: ${code}.`)
      : new CodedError('NotifyFailed', `The mail server did not respond: ${originalCode ?? code}.`);
  const response = `The mail server responded with ${responseCode} to ${command === 'CONN' ? 'the greeting' : command}`;
  if (responseCode < 500) return new CodedError('NotifyFailed', `${response}.`);
  const reason = code === 'ETLS' ? ': TLS failed, and everswin does not fall back to an unencrypted connection.' : '.';
  return new CodedError('NotifyRefused', `${response}${reason}`);
}
