import type { S3Client } from '@aws-sdk/client-s3';
import type { Catalog, PreparationProgress } from '../../configs/schema/index.ts';
import type { DownloadLimits } from '../shared/download/sources/download-limits.ts';
import type { SourcePolicy } from '../shared/download/sources/source-policy.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';

/** What the place offers to whoever fetches. */
export interface PreparationEnvironment {
  home: string;
  recipesFolder: string;
  python: PythonCommand;
  catalog: Catalog;
  /** Where the embedded stack serves `demo:` addresses; undefined without it. */
  demoUrl: string | undefined;
  s3: () => S3Client;
}

export interface PreparationContext extends PreparationEnvironment {
  policy: SourcePolicy;
  limits: DownloadLimits;
  /** `what` names the thing: of each the newest word counts. */
  onProgress: (progress: PreparationProgress) => void;
  signal: AbortSignal;
  /** Make again what can be made again. */
  fresh: boolean;
}

export type PreparationCall = Pick<PreparationContext, 'onProgress' | 'signal' | 'fresh'>;
