import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';

/** Environment of the program: its children find the same Node first on PATH, and compiled code is kept for the next start. */
export function programEnvironment(root, node) {
  return {
    NODE_COMPILE_CACHE: path.join(root, '.everswin/compile-cache'),
    ...process.env,
    PATH: putFirst(node, process.env.PATH ?? ''),
  };
}

/** Changes nothing if the right Node is first already: its folder may contain other programs that must not come first. */
function putFirst(node, folders) {
  const first = folders
    .split(path.delimiter)
    .map((folder) => path.join(folder, 'node'))
    .find((file) => existsSync(file));
  if (first !== undefined && realpathSync(first) === realpathSync(node)) return folders;
  return [path.dirname(node), folders].join(path.delimiter);
}
