import { access } from 'node:fs/promises';
import { execa } from 'execa';
import { homeFolders } from '../../configs/paths.ts';
import { trainerEnv } from '../../workers/env.ts';

/** Generates the data set and weights of the demo unless they exist. */
export async function ensureMiniCoco(home: string, log: (line: string) => void): Promise<void> {
  const { demoFiles } = homeFolders(home);
  const exists = await access(demoFiles).then(
    () => true,
    () => false,
  );
  if (exists) return;
  log('Generating the miniature COCO of the demo');
  await generateMiniCoco(home, '--out', demoFiles);
}

/**
 * Runs the trainer's `mini-coco`, which creates the folder atomically. `--out` writes the archives of the demo, `--own`
 * plain folders such as a user's own data.
 */
export async function generateMiniCoco(home: string, option: '--out' | '--own', folder: string): Promise<void> {
  const argv = ['-m', 'everswin_trainer', 'mini-coco', option, folder];
  await execa(homeFolders(home).python, argv, { env: trainerEnv(), extendEnv: false });
}
