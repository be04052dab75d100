import type { OpenStore } from '../shared/store/artifact-store.ts';

/** Worker dependencies of the activities that mirror a run to its artifact store or restore it. */
export interface MirrorDependencies {
  /** Root folder of all data (configs/paths.ts). */
  home: string;
  openStore: OpenStore;
  /** S3 endpoint and region for stores that another process opens; undefined uses the defaults of AWS. */
  s3Server: { endpoint: string | undefined; region: string | undefined };
  /** Whether a stop of this worker also stops its jobs, which save. The store then gets what they saved. */
  drains: boolean;
}
