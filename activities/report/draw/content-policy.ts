import { createHash } from 'node:crypto';

/** What the page may do: show its own pictures, its own style and its own script, known by hash; load nothing, send nothing, unless it may ask its own server. */
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
