/** metrics.json of a simulated test. */
import type { EvalMetrics } from '../../../configs/schema/index.ts';

const scores = { AP: 0.5, AP50: 0.7, AP75: 0.6, APs: 0.3, APm: 0.5, APl: 0.6 };
const recalls = { AR100: 0.6, AR300: 0.6, AR1000: 0.6, ARs: 0.4, ARm: 0.6, ARl: 0.7 };

export const aMetricsFile = (checkpoint: string, checkpointSha256: string): EvalMetrics => ({
  v: 1,
  checkpoint,
  checkpointSha256,
  images: 24,
  bbox: { ...scores, ...recalls },
  segm: { ...scores, ...recalls },
  seconds: 1,
});
