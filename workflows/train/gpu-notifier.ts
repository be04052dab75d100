import { formatGpuProblem } from '../../activities/shared/summary/format-gpu-problem.ts';
import type { GpuProblem } from '../../configs/schema/index.ts';
import type { Notifier } from '../support/notify.ts';

/** Creates a listener that notifies about each problem of a GPU once. A problem that comes and goes is not repeated. */
export function gpuNotifier({ notify }: Notifier): (problems: readonly GpuProblem[]) => void {
  const notified = new Set<string>();
  return (problems) => {
    const isNew = ({ uuid, verdict, kinds }: GpuProblem): boolean => {
      const keys = kinds.map((kind) => `${uuid} ${verdict} ${kind}`);
      const isKnown = keys.every((key) => notified.has(key));
      for (const key of keys) notified.add(key);
      return !isKnown;
    };
    const lines = problems.filter(isNew).map(formatGpuProblem);
    if (lines.length > 0) notify('gpu-health', lines.join('\n'));
  };
}
