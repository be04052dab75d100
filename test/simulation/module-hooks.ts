/**
 * Loads the real activities into the simulation: what they import from Node, and the globals for time, timers and the
 * process, is replaced by node/*.ts. Import this module first.
 */
import { registerHooks } from 'node:module';

const project = new URL('../../', import.meta.url).href;
const activities = `${project}activities/`;
const replacement = (file: string) => new URL(`node/${file}`, import.meta.url).href;

const replacedModules: Record<string, string> = {
  'node:fs': 'fs.ts',
  'node:fs/promises': 'fs-promises.ts',
  'node:child_process': 'child-process.ts',
  'node:crypto': 'crypto.ts',
  'node:os': 'os.ts',
  'node:timers/promises': 'timers-promises.ts',
  execa: 'execa.ts',
};
const replacedFiles: Record<string, string> = {
  [`${activities}pages/runs/live-file.ts`]: 'live-file.ts',
  [`${activities}mirror/mirror-process.ts`]: 'mirror-process.ts',
  [`${activities}shared/trainer/trainer-command.ts`]: 'trainer-command.ts',
};
const globals = 'Date, performance, process, setTimeout, clearTimeout, setInterval, clearInterval, console';
// On the first line, so that line numbers in stack traces stay right.
const prelude = `import { ${globals} } from '${replacement('globals.ts')}';`;

registerHooks({
  resolve(specifier, context, next) {
    const file = replacedModules[specifier];
    if (context.parentURL?.startsWith(activities) === true && file !== undefined)
      return { url: replacement(file), shortCircuit: true };
    const resolved = next(specifier, context);
    const replaced = replacedFiles[resolved.url];
    return replaced === undefined ? resolved : { url: replacement(replaced), shortCircuit: true };
  },
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.startsWith(activities) || !url.endsWith('.ts')) return loaded;
    const source = Buffer.from(loaded.source as Uint8Array).toString('utf8');
    return { ...loaded, source: `${prelude}${source}` };
  },
});
