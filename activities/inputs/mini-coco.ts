import { existsSync } from 'node:fs';
import { execa } from 'execa';
import { homeFolders } from '../../configs/paths.ts';
import { trainerModule } from '../shared/trainer/trainer-command.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';

interface MiniCocoHome {
  home: string;
  python: PythonCommand;
}

const generating = new Map<string, Promise<void>>();

/** Generates the data set and weights of the demo unless they exist. @returns their folder. */
export async function ensureMiniCoco({ home, python }: MiniCocoHome): Promise<string> {
  const { demoFiles } = homeFolders(home);
  if (existsSync(demoFiles)) return demoFiles;
  const generation = generating.get(demoFiles) ?? generateMiniCoco(python, '--out', demoFiles);
  generating.set(demoFiles, generation);
  try {
    await generation;
  } catch (error) {
    if (!existsSync(demoFiles)) throw error; // otherwise another process was faster
  } finally {
    generating.delete(demoFiles);
  }
  return demoFiles;
}

/**
 * Runs the trainer's `mini-coco`, which creates the folder atomically. `--out` writes the archives of the demo, `--own`
 * plain folders such as a user's own data.
 */
export async function generateMiniCoco(
  { executable, env }: PythonCommand,
  option: '--out' | '--own',
  folder: string,
): Promise<void> {
  await execa(executable, ['-m', trainerModule, 'mini-coco', option, folder], { env, extendEnv: false });
}
