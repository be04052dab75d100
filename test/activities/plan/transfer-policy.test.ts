import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { allowedSources, findForeignHosts } from '../../../activities/plan/transfer-policy.ts';
import { Catalog, RunInput } from '../../../configs/schema/index.ts';
import { miniInput } from '../../helpers/mini-run.ts';
import { projectRoot } from '../../helpers/project.ts';

const shipped = Catalog.parse(JSON.parse(readFileSync(`${projectRoot}/configs/catalog.json`, 'utf8')));
const withWeightsAt = (url: string, allowHosts: string[] = []): RunInput =>
  RunInput.parse({
    ...miniInput,
    catalog: { weights: { mine: { title: 'mine', source: { file: 'mine.pth', urls: [url] } } } },
    transfers: { allowHosts },
  });

test('allowedSources allows the hosts of the catalog and its redirects by default', () => {
  const { hosts, loopback, buckets } = allowedSources(shipped, miniInput, 'http://127.0.0.1:4567');
  expect([...hosts]).toEqual(
    expect.arrayContaining(['images.cocodataset.org', 'github.com', 'release-assets.githubusercontent.com']),
  );
  expect([...hosts]).not.toContain('example.org');
  expect([...loopback]).toEqual(['127.0.0.1:4567']);
  expect([...buckets]).toEqual([]);
});

test('findForeignHosts names a host that is not allowed', () => {
  expect(findForeignHosts(shipped, withWeightsAt('https://example.org/mine.pth'))).toBe(
    'The input uses hosts that configs/catalog.json does not list: example.org. Add them to transfers.allowHosts if you trust them.',
  );
});

test.each([
  ['a host that transfers.allowHosts names', 'https://example.org/mine.pth', ['example.org']],
  ['a host with its port in transfers.allowHosts', 'https://example.org:8443/mine.pth', ['example.org:8443']],
  ['a host of the catalog', 'https://github.com/example/mine.pth', []],
  ['a file of the worker', 'file:///data/mine.pth', []],
  ['a bucket', 's3://my-weights/mine.pth', []],
])('findForeignHosts accepts %s', (_, url, allowHosts) => {
  expect(findForeignHosts(shipped, withWeightsAt(url, allowHosts))).toBeUndefined();
});

test('allowedSources allows the buckets of the input', () => {
  expect([...allowedSources(shipped, withWeightsAt('s3://my-weights/a.pth'), undefined).buckets]).toEqual([
    'my-weights',
  ]);
});

test('allowedSources allows the bucket in which the plan found the starting weights', () => {
  const file = { file: 'a.pth', urls: ['s3://artifacts/everswin/runs/a/a.pth'], bytes: 1, sha256: 'a'.repeat(64) };
  const { buckets } = allowedSources(shipped, withWeightsAt('file:///data/mine.pth'), undefined, [file]);
  expect([...buckets]).toEqual(['artifacts']);
});
