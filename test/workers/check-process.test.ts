import { execa } from 'execa';
import { expect, test } from 'vitest';
import { projectRoot } from '../helpers/project.ts';

/** Runs the check in a shell that first runs `setup`; returns its error, or nothing. */
async function check(setup: string): Promise<string> {
  const program = `import { checkProcess } from '${projectRoot}/workers/check-process.ts'; await checkProcess().catch((error) => console.log(error.message));`;
  const script = `${setup}; exec "$0" --input-type=module --eval "$1"`;
  return (await execa('bash', ['-c', script, process.execPath, program])).stdout;
}

test('checkProcess passes with common limits', async () => {
  expect(await check('ulimit -n 256')).toBe('');
});

test('checkProcess names a limit of open files that is too low, and the command that raises it', async () => {
  expect(await check('ulimit -n 64')).toBe(
    'This process may open 64 files, and a worker needs at least 256. Raise the limit: ulimit -n 4096',
  );
});

test.each([
  ['TMPDIR=/nowhere/tmp', '/nowhere/tmp, cannot be written (ENOENT)'],
  ['TMPDIR=/proc/self', '/proc/self, cannot be written (ENOENT)'],
  ['TMPDIR=/etc/hostname', '/etc/hostname, cannot be written (ENOTDIR)'],
])('checkProcess names the folder for temporary files with %s', async (variable, message) => {
  expect(await check(`export ${variable}`)).toContain(`The folder for temporary files, ${message}`);
});
