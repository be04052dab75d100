import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ArtifactStore } from '../activities/shared/store/artifact-store.ts';
import { openStore } from '../activities/shared/store/open-store.ts';
import { homeFolders } from '../configs/paths.ts';
import type { readEnv } from './env.ts';

/** Opens an artifact store by its address in an input: `local` or `s3://bucket/prefix`. */
export function openNamedStore(address: string, env: ReturnType<typeof readEnv>): ArtifactStore {
  const home = resolve(env.EVERSWIN_HOME);
  const s3 = { endpoint: env.AWS_ENDPOINT_URL_S3, region: env.AWS_REGION };
  return openStore(address === 'local' ? pathToFileURL(homeFolders(home).store).href : address, { home, s3 });
}
