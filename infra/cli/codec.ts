import { randomBytes } from 'node:crypto';
import { readCodecToken } from '../../workers/env.ts';
import { createPayloadCodec } from '../../workers/payload-codec.ts';
import { findServer, formatServer } from '../client/find-server.ts';
import { startCodecServer } from '../pages/codec-server.ts';
import { waitForInterrupt } from '../terminal/wait-for-interrupt.ts';

interface CodecOptions {
  address?: string | undefined;
  port: number;
  ui?: string | undefined;
}

/** Decrypts payloads for the Temporal UI and CLI of this machine until a signal. */
export async function codec({ address, port, ui }: CodecOptions): Promise<void> {
  const found = await findServer(address);
  const { keys = new Map() } = found;
  if (keys.size === 0)
    throw new Error(
      'There is no encryption key. Set EVERSWIN_ENCRYPTION_KEYS as for the workers (docs/how-to/encrypt.md).',
    );
  const configured = readCodecToken();
  const token = configured ?? randomBytes(24).toString('base64url');
  const uiUrl = ui ?? found.uiUrl;
  const server = await startCodecServer({ port, token, codec: createPayloadCodec(keys), origins: originsOf(uiUrl) });
  // A token of the environment is not printed: the output may be a log.
  const endpoint = `${server.url}/${configured === undefined ? token : '$EVERSWIN_CODEC_TOKEN'}`;
  console.log(formatServer(found));
  console.log(
    uiUrl === undefined ? 'UI   unknown: add --ui URL' : `UI   ${uiUrl}: enter under Codec Server ${endpoint}`,
  );
  console.log(`CLI  temporal workflow show --workflow-id ID --codec-endpoint ${endpoint}`);
  await waitForInterrupt();
  await server.close();
}

/** Returns the origins of the UI: that of this machine has two names. */
function originsOf(uiUrl: string | undefined): string[] {
  if (uiUrl === undefined) return [];
  const { origin, hostname } = new URL(uiUrl);
  const other = { '127.0.0.1': 'localhost', localhost: '127.0.0.1' }[hostname];
  return other === undefined ? [origin] : [origin, origin.replace(hostname, other)];
}
