import { CodedError } from '../../errors/coded-error.ts';
import { redactUrl } from './redact-url.ts';
import { firstLine } from './source-errors.ts';
import { parseAllowedUrl, mayBePrivate, hasMisleadingCharacters, type SourcePolicy } from './source-policy.ts';

/** Where a redirect leads. @throws CodedError DownloadRefused when the policy does not allow it. */
export const resolveRedirect = (from: URL, location: string, policy: SourcePolicy): URL => {
  const refuse = (why: string): CodedError =>
    new CodedError('DownloadRefused', `${redactUrl(from.href)} redirected to ${redactUrl(location)}: ${why}.`);
  if (location === '' || hasMisleadingCharacters(location) || !URL.canParse(location, from.href))
    throw refuse('that is no address');
  const next = new URL(location, from);
  // A file of this machine or a bucket is never for a web server to point at.
  if (next.protocol !== 'https:' && next.protocol !== 'http:') throw refuse('that is no http or https address');
  if (from.protocol === 'https:' && next.protocol !== 'https:') throw refuse('that gives up encryption');
  // The way to a server with a private address is known to those who may use it; nobody else has to show it.
  if (mayBePrivate(next, policy) && !mayBePrivate(from, policy))
    throw refuse('that is a server with a private address');
  try {
    return parseAllowedUrl(next.href, policy);
  } catch (error) {
    throw refuse(error instanceof Error ? firstLine(error) : String(error));
  }
};
