/** Is there to be a hook? Leaves with 0 where the environment has a token for it, with 3 where it has none. */
import { readHookToken } from '../../workers/env.ts';

try {
  if (readHookToken() === undefined) process.exitCode = 3;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
