import type { S3Client } from '@aws-sdk/client-s3';
import type { Catalog, PreparationProgress } from '../../configs/schema/index.ts';
import type { DownloadLimits } from '../shared/download/sources/download-limits.ts';
import type { SourcePolicy } from '../shared/download/sources/source-policy.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';

/** Worker dependencies of preparing inputs. */
export interface PreparationEnvironment {
  home: string;
  recipesFolder: string;
  python: PythonCommand;
  catalog: Catalog;
  /** URL at which the embedded stack serves `demo:` files; without it, this home generates them. */
  demoUrl: string | undefined;
  s3: () => S3Client;
}

export interface PreparationContext extends PreparationEnvironment {
  policy: SourcePolicy;
  limits: DownloadLimits;
  /** Reports progress. The newest report for each `what` replaces earlier ones. */
  onProgress: (progress: PreparationProgress) => void;
  signal: AbortSignal;
  /** Ignore cached results. */
  fresh: boolean;
}

export type PreparationCall = Pick<PreparationContext, 'onProgress' | 'signal' | 'fresh'>;
