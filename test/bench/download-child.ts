/** Downloads a file in a separate process and prints the duration: `download-child.ts URL TARGET BYTES SHA256`. */
import { downloadFile } from '../../activities/shared/download/download-file.ts';
import { defaultRetry } from '../../activities/shared/download/sources/download-request.ts';
import { downloadContext } from '../fixtures/download-context.ts';

const [url = '', target = '', bytes = '', sha256 = ''] = process.argv.slice(2);
const before = performance.now();
const { resumedFromBytes } = await downloadFile({
  ...downloadContext([url]),
  urls: [url],
  target,
  bytes: Number(bytes),
  sha256,
  stallMs: 60_000,
  retry: defaultRetry,
});
process.stdout.write(JSON.stringify({ seconds: (performance.now() - before) / 1000, resumedFromBytes }));
