import { createHash, createHmac } from 'node:crypto';

export interface SigningKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface LinkRequest {
  /** Of the object, without a query. */
  readonly url: URL;
  readonly region: string;
  readonly key: SigningKey;
  readonly validSeconds: number;
  readonly now: Date;
}

/** A GET that anybody may do for so long: AWS Signature Version 4 in the query, signed without asking the server. */
export function presignGet({ url, region, key, validSeconds, now }: LinkRequest): string {
  const time = now.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const scope = `${day}/${region}/s3/aws4_request`;
  const query: [string, string][] = [
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
    ['X-Amz-Credential', `${key.accessKeyId}/${scope}`],
    ['X-Amz-Date', time],
    ['X-Amz-Expires', String(validSeconds)],
    ...(key.sessionToken === undefined ? [] : [['X-Amz-Security-Token', key.sessionToken] satisfies [string, string]]),
    ['X-Amz-SignedHeaders', 'host'],
  ];
  const queryText = query.map(([name, value]) => `${name}=${encode(value)}`).join('&');
  const canonical = ['GET', url.pathname, queryText, `host:${url.host}`, '', 'host', 'UNSIGNED-PAYLOAD'].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const signingKey = [day, region, 's3', 'aws4_request'].reduce<Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    Buffer.from(`AWS4${key.secretAccessKey}`),
  );
  const signature = createHmac('sha256', signingKey).update(toSign).digest('hex');
  return `${url.origin}${url.pathname}?${queryText}&X-Amz-Signature=${signature}`;
}

const encode = (value: string): string =>
  encodeURIComponent(value).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
