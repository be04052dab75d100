import { openFileSource } from './file-source.ts';
import { openHttpSource } from './http-source.ts';
import { openS3Source } from './s3-source.ts';
import type { Source } from './source.ts';
import { parseAllowedUrl } from './source-policy.ts';
import type { FetchOptions } from './download-request.ts';

/**
 * Creates the source of a URL without sending a request.
 * @throws CodedError DownloadRefused when the policy does not allow the URL.
 */
export const openSource = (address: string, { policy, s3 }: FetchOptions): Source => {
  const url = parseAllowedUrl(address, policy);
  if (url.protocol === 's3:') return openS3Source(url, s3());
  return url.protocol === 'file:' ? openFileSource(url) : openHttpSource(url, policy);
};
