import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';

const Dependencies = z.record(z.string(), z.string()).default({});
const PackageLock = z.object({
  packages: z.record(z.string(), z.object({ dependencies: Dependencies, optionalDependencies: Dependencies })),
});

const root = join(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const { packages } = PackageLock.parse(JSON.parse(read('package-lock.json')));

/** Resolves as Node does: next to the importing package, then in every folder above it. */
const isLocked = (name: string, importer: string): boolean => {
  if (`${importer && `${importer}/`}node_modules/${name}` in packages) return true;
  if (importer === '') return false;
  return isLocked(name, importer.slice(0, Math.max(0, importer.lastIndexOf('/node_modules/'))));
};

// npm can drop the packages of other platforms from a lock file, and `npm ci` then rejects it.
test('package-lock.json contains the dependencies of every package on every platform', () => {
  const missing = Object.entries(packages).flatMap(([importer, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !isLocked(name, importer)),
  );
  expect(missing).toEqual([]);
});

test.each([
  'package-lock.json',
  'infra/setup/node/linux-x64/package-lock.json',
  'infra/setup/node/linux-arm64/package-lock.json',
  'trainer/requirements.lock',
  'trainer/requirements-build.lock',
  'trainer/requirements-uv.lock',
])('%s contains no registry address, so that any mirror works', (file) => {
  expect(read(file)).not.toMatch(/"resolved"|--index-url|--extra-index-url|--find-links|@ https?:/);
});

test.each(['trainer/requirements.lock', 'trainer/requirements-build.lock', 'trainer/requirements-uv.lock'])(
  '%s pins every package with a hash',
  (file) => {
    const requirements = read(file)
      .trim()
      .split(/\n(?=\S)/);
    expect(requirements.filter((text) => !/^[\w.-]+==\S+[^\n]*\\\n\s+--hash=sha256:/.test(text))).toEqual([]);
  },
);

test.each(['linux-x64', 'linux-arm64'])(
  'the lock file of Node for %s pins a release of Node 24 with a hash',
  (name) => {
    const Pinned = z.object({ version: z.string().regex(/^24\./), integrity: z.string().startsWith('sha512-') });
    const Lock = z.object({ packages: z.object({ [`node_modules/node-${name}`]: Pinned }) });
    expect(Lock.safeParse(JSON.parse(read(`infra/setup/node/${name}/package-lock.json`)))).toMatchObject({
      success: true,
    });
  },
);
