import { createHash } from 'node:crypto';

/** Returns a content security policy that allows only inline images and the given style and script. */
export const contentPolicy = (style: string, script: string, mayConnect = false): string =>
  [
    `default-src 'none'`,
    'img-src data:',
    `style-src '${hashOf(style)}'`,
    `script-src '${hashOf(script)}'`,
    ...(mayConnect ? [`connect-src 'self'`] : []),
    `base-uri 'none'`,
    `form-action 'none'`,
  ].join('; ');

const hashOf = (text: string): string => `sha256-${createHash('sha256').update(text).digest('base64')}`;
