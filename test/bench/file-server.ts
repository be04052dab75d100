/** Starts nginx for one folder and counts the bytes that it sends. A rate limit uses a separate network namespace. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';

export interface FileServer {
  url: string;
  /** Wraps a command so that it runs in the network namespace of the server. */
  reach: (argv: readonly string[]) => [string, ...string[]];
  /** Returns the requests that ended since the last call. */
  sent: () => Promise<Sent[]>;
  stop: () => Promise<void>;
}

export interface Sent {
  /** Body bytes accepted by the kernel, including those that a killed client had not read yet. */
  bytes: number;
  /** Requested range; the complete file without a Range header. */
  first: number;
  last: number;
}

/** Large enough for the largest frames of loopback. */
const burst = '1mb';

/** @param rate rate limit for `tc`, such as `1gbit`; null for no limit. */
export async function startFileServer(
  nginx: string,
  root: string,
  work: string,
  rate: string | null,
): Promise<FileServer> {
  await mkdir(work, { recursive: true });
  const port = await freePort();
  await writeFile(`${work}/nginx.conf`, nginxConfig(root, work, port));
  const serve = [nginx, '-p', work, '-e', `${work}/error.log`, '-c', `${work}/nginx.conf`];
  const limit = `ip link set lo up && tc qdisc add dev lo root tbf rate ${rate} burst ${burst} latency 50ms`;
  const alone = ['unshare', '-rn', 'sh', '-c', `${limit} && exec "$@"`, 'sh'];
  const [program, ...argv] = rate === null ? serve : [...alone, ...serve];
  const child = spawn(program ?? '', argv, { stdio: ['ignore', 'inherit', 'inherit'] });
  const pid = child.pid ?? 0;
  const enter = ['nsenter', '-t', String(pid), '-U', '-n', '--preserve-credentials'];
  const reach = (command: readonly string[]): [string, ...string[]] => {
    const [first = '', ...rest] = rate === null ? command : [...enter, ...command];
    return [first, ...rest];
  };
  const url = `http://127.0.0.1:${port}/file.bin`;
  const [probe, ...probeArgv] = reach(['curl', '-s', '-o', '/dev/null', '-r', '0-0', '--retry-connrefused', url]);
  for (let tries = 0; (await execa(probe, probeArgv, { reject: false })).exitCode !== 0; tries += 1) {
    if (tries > 100) throw new Error(`nginx did not answer at ${url}`);
    await sleep(50);
  }
  let linesRead = 0;
  const sent = async (): Promise<Sent[]> => {
    // nginx writes its log only after it notices that a client has disconnected.
    await sleep(500);
    const lines = readFileSync(`${work}/access.log`, 'utf8').trimEnd().split('\n');
    const fresh = lines.slice(linesRead);
    linesRead = lines.length;
    return fresh.map((line) => {
      const [, bytes, first, last] = /^(\d+) (?:bytes (\d+)-(\d+))?/.exec(line) ?? [];
      return { bytes: Number(bytes), first: Number(first ?? 0), last: Number(last ?? Infinity) };
    });
  };
  await sent();
  const stop = async (): Promise<void> => {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await exited;
  };
  return { url, reach, sent, stop };
}

/** Returns a minimal configuration with one process that sends files fast. */
const nginxConfig = (root: string, work: string, port: number): string => `
daemon off; user root root; worker_processes 1; pid ${work}/nginx.pid;
events { worker_connections 256; }
http {
  log_format sent '$body_bytes_sent $sent_http_content_range';
  access_log ${work}/access.log sent;
  sendfile on; etag on;
  client_body_temp_path ${work}/t1; proxy_temp_path ${work}/t2; fastcgi_temp_path ${work}/t3;
  uwsgi_temp_path ${work}/t4; scgi_temp_path ${work}/t5;
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`;

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('expected a TCP port');
  return address.port;
}
