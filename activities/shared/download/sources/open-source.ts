import { openFileSource } from './file-source.ts';
import { openHttpSource } from './http-source.ts';
import { openS3Source } from './s3-source.ts';
import type { Source } from './source.ts';
import { admitUrl } from './source-policy.ts';
import type { WantedFile } from './wanted-file.ts';

/** @throws CodedError DownloadRefused for an address that the policy does not allow; nothing is asked for yet. */
export const openSource = (address: string, { policy, s3 }: WantedFile): Source => {
  const url = admitUrl(address, policy);
  if (url.protocol === 's3:') return openS3Source(url, s3());
  return url.protocol === 'file:' ? openFileSource(url) : openHttpSource(url, policy);
};
