import { CodedError } from '../../errors/coded-error.ts';
import { redactUrl } from './redact-url.ts';
import { firstLine } from './source-errors.ts';
import { parseAllowedUrl, mayBePrivate, hasMisleadingCharacters, type SourcePolicy } from './source-policy.ts';

/**
 * Resolves the target of a redirect.
 * @throws CodedError DownloadRefused when the policy does not allow it.
 */
export const resolveRedirect = (from: URL, location: string, policy: SourcePolicy): URL => {
  const refuse = (reason: string): CodedError =>
    new CodedError('DownloadRefused', `${redactUrl(from.href)} redirected to ${redactUrl(location)}: ${reason}.`);
  if (location === '' || hasMisleadingCharacters(location) || !URL.canParse(location, from.href))
    throw refuse('the target is not a valid URL');
  const next = new URL(location, from);
  // A web server must not redirect to local files or buckets.
  if (next.protocol !== 'https:' && next.protocol !== 'http:') throw refuse('the target is not an http or https URL');
  if (from.protocol === 'https:' && next.protocol !== 'https:') throw refuse('the target is not encrypted');
  // Only a private server may redirect to a private server.
  if (mayBePrivate(next, policy) && !mayBePrivate(from, policy)) throw refuse('the target has a private address');
  try {
    return parseAllowedUrl(next.href, policy);
  } catch (error) {
    throw refuse(error instanceof Error ? firstLine(error) : String(error));
  }
};
