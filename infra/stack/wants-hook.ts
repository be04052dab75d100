import { execa } from 'execa';

const tokenProgram = `${import.meta.dirname}/../../infra/pages/hook-token.ts`;

/**
 * Whether the environment has a token for the hook. Asked of a program of the workers, since nobody else reads the
 * environment: so the token itself never comes here.
 * @throws Error when what stands there is none.
 */
export async function wantsHook(): Promise<boolean> {
  const { exitCode, stderr } = await execa(process.execPath, ['--import', 'tsx', tokenProgram], { reject: false });
  if (exitCode !== 0 && exitCode !== 3) throw new Error(stderr);
  return exitCode === 0;
}
