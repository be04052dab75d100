import { access } from 'node:fs/promises';
import { execa } from 'execa';
import { hookTokenVariable } from '../../configs/names.ts';
import { homeFolders } from '../../configs/paths.ts';

/** Draws the demo's data set and weights, once. The trainer's command writes the folder whole or not at all. */
export async function ensureMiniCoco(home: string, say: (line: string) => void): Promise<void> {
  const { demoFiles, python } = homeFolders(home);
  const present = await access(demoFiles).then(
    () => true,
    () => false,
  );
  if (present) return;
  say('drawing the miniature COCO of the demo');
  await execa(python, ['-m', 'everswin_trainer', 'mini-coco', '--out', demoFiles], {
    env: { PYTHONPATH: `${import.meta.dirname}/../../trainer`, [hookTokenVariable]: undefined },
  });
}
