import { execFileSync } from 'node:child_process';

/** uv does not read pip's settings, but where pip is pointed at a mirror, only the mirror may be reachable. */
export function mirrorOfPip(python) {
  if (process.env.UV_DEFAULT_INDEX || process.env.UV_INDEX_URL) return {};
  const settings = execFileSync(python, ['-m', 'pip', 'config', 'list'], { encoding: 'utf8' });
  const [, address] = /^(?:global|install|:env:)\.index-url='(.+)'$/m.exec(settings) ?? [];
  return address ? { UV_DEFAULT_INDEX: address } : {};
}
