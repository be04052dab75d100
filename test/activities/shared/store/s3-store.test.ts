import { expect, test } from 'vitest';
import { openStore } from '../../../../activities/shared/store/open-store.ts';

const linkWith = (credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) => {
  const s3 = { endpoint: 'http://127.0.0.1:1', region: 'eu-west-1', credentials };
  return openStore('s3://bucket/prefix', { home: '/nowhere', s3 }).link('runs/a/plan.json', 3600);
};

test('an S3 link is signed without a request to the server', async () => {
  const url = new URL(await linkWith({ accessKeyId: 'key', secretAccessKey: 'CANARY' }));
  expect(url.origin + url.pathname).toBe('http://127.0.0.1:1/bucket/prefix/runs/a/plan.json');
  expect(url.searchParams.get('X-Amz-Expires')).toBe('3600');
  expect(url.searchParams.get('X-Amz-Credential')).toMatch(/^key\/\d{8}\/eu-west-1\/s3\/aws4_request$/);
  expect(url.href).not.toContain('CANARY');
});

test('an S3 link carries the session token of temporary credentials', async () => {
  const url = new URL(await linkWith({ accessKeyId: 'key', secretAccessKey: 'CANARY', sessionToken: 'c/d=' }));
  expect(url.searchParams.get('X-Amz-Security-Token')).toBe('c/d=');
});
