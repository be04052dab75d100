import { z } from 'zod';
import { CodedError } from '../shared/errors/coded-error.ts';

/** What nodemailer puts on its errors. Their messages hold what the server said, which may be the password. */
const NodemailerError = z.object({
  code: z.string(),
  /** Of the system or of TLS, such as ECONNREFUSED. */
  originalCode: z.string().optional(),
  /** What the server answered, and to which command; `CONN` is the greeting. */
  responseCode: z.number().optional(),
  command: z.string().optional(),
});

/** Without an answer of the server: our own addresses and password are at fault. */
const configurationCodes = new Set(['EAUTH', 'EENVELOPE', 'EMESSAGE', 'ECONFIG']);

/** @returns CodedError NotifyFailed or NotifyRefused, which says neither who logs in, nor with what, nor where; anything unknown as it is. */
export function toMailError(error: unknown): unknown {
  const { data } = NodemailerError.safeParse(error);
  if (data === undefined) return error;
  const { code, originalCode, responseCode, command = 'CONN' } = data;
  if (responseCode === undefined)
    return configurationCodes.has(code)
      ? new CodedError('NotifyRefused', `The mail cannot be sent as the worker's environment has it: ${code}.`)
      : new CodedError('NotifyFailed', `The mail server did not answer: ${originalCode ?? code}.`);
  const said = `The mail server answered ${responseCode} to ${command === 'CONN' ? 'the greeting' : command}`;
  if (responseCode < 500) return new CodedError('NotifyFailed', `${said}.`);
  const why = code === 'ETLS' ? ': a password, or what TLS was offered for, does not travel in clear.' : '.';
  return new CodedError('NotifyRefused', `${said}${why}`);
}
