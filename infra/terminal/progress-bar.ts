import type { WriteStream } from 'node:tty';
import { formatPlural } from '../../activities/shared/summary/format-time.ts';
import type { StageProgress } from '../../configs/schema/index.ts';

const barWidth = 24;

interface ProgressBar {
  show: (line: StageProgress) => void;
  clear: () => void;
}

/** Creates a bar that updates in place on a terminal. Elsewhere, it prints one line for each stage. */
export function createProgressBar(output: Pick<WriteStream, 'write' | 'isTTY'>): ProgressBar {
  const started = new Set<string>();
  return {
    show: ({ stage, done, total }) => {
      const filled = total === 0 ? 0 : Math.round((barWidth * done) / total);
      const bar = `[${'█'.repeat(filled)}${'·'.repeat(barWidth - filled)}]`;
      if (output.isTTY)
        output.write(`\r\u001b[K${total === 0 ? `${stage} …` : `${bar}  ${stage} ${done} of ${total}`}`);
      else if (!started.has(stage))
        output.write(`${stage}${total === 0 ? '' : ` ${formatPlural(total, 'image')}`} …\n`);
      started.add(stage);
    },
    clear: () => {
      if (output.isTTY && started.size > 0) output.write('\r\u001b[K');
    },
  };
}
