import { createHash } from 'node:crypto';

interface Permissions {
  /** Allows requests of the script to its own server. */
  connect?: boolean;
  /** Allows forms that lead to its own server. */
  forms?: boolean;
  /** Allows images next to the page. */
  images?: boolean;
}

/** Returns a content security policy that allows only inline images and the given style and script. */
export const contentPolicy = (style: string, script: string, { connect, forms, images }: Permissions = {}): string =>
  [
    `default-src 'none'`,
    // A page on disk has no origin that 'self' could match.
    `img-src data:${images ? " 'self' file:" : ''}`,
    `style-src '${hashOf(style)}'`,
    `script-src '${hashOf(script)}'`,
    ...(connect ? [`connect-src 'self'`] : []),
    `base-uri 'none'`,
    `form-action ${forms ? `'self'` : `'none'`}`,
  ].join('; ');

const hashOf = (text: string): string => `sha256-${createHash('sha256').update(text).digest('base64')}`;
