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

/** Node's own search: beside the package that asks, then in every folder above it. */
const isLocked = (name: string, asker: string): boolean => {
  if (`${asker && `${asker}/`}node_modules/${name}` in packages) return true;
  if (asker === '') return false;
  return isLocked(name, asker.slice(0, Math.max(0, asker.lastIndexOf('/node_modules/'))));
};

// npm drops the packages of other platforms from a lock made where they could not be read, and `npm ci` then refuses it.
test('package-lock.json holds what every package asks for, on every platform', () => {
  const missing = Object.entries(packages).flatMap(([asker, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !isLocked(name, asker)),
  );
  expect(missing).toEqual([]);
});

test.each([
  'package-lock.json',
  'trainer/requirements.lock',
  'trainer/requirements-build.lock',
  'trainer/requirements-uv.lock',
])('%s names no address, so that it works behind any mirror', (file) => {
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
