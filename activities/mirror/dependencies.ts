import type { OpenStore } from '../shared/store/artifact-store.ts';

/** What copying a run to its artifact store, and restoring it from there, needs from the worker. */
export interface MirrorDependencies {
  /** Root of everything on disk: configs/paths.ts. */
  home: string;
  openStore: OpenStore;
  /** Where S3 is, for stores that another process opens. Undefined: AWS, and its usual region. */
  s3Server: { endpoint: string | undefined; region: string | undefined };
}
