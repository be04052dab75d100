/** Uploads a file in a separate process and prints the duration: `upload-child.ts ADDRESS HOME PATH SHA256`. */
import { openStore } from '../../activities/shared/store/open-store.ts';

const [address = '', home = '', path = '', sha256 = ''] = process.argv.slice(2);
const store = openStore(address, { home, s3: { endpoint: undefined, region: undefined } });
const before = performance.now();
await store.put('bench/file', path, { sha256 });
process.stdout.write(JSON.stringify({ putSeconds: (performance.now() - before) / 1000 }));
