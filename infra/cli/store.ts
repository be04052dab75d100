/** `npm run store -- list | verify | prune [--older-than-hours N] [--dry-run] | run NAME`: what the worker keeps on its disk. */
import { parseArgs } from 'node:util';
import { readJson } from '../../activities/shared/files/json-file.ts';
import { listObjects, rehashObject } from '../../activities/shared/store/objects.ts';
import { pruneStore } from '../../activities/inputs/prune-store.ts';
import { listRuns, readReferences } from '../../activities/plan/references.ts';
import { findManifestMismatches } from '../../activities/report/run-manifest.ts';
import { runFolder } from '../../configs/paths.ts';
import { RunManifest, RunName } from '../../configs/schema/index.ts';
import { formatBytes } from '../../activities/shared/summary/format-bytes.ts';
import { readEnv } from '../../workers/env.ts';

const usage = `Usage: npm run store -- COMMAND
  list                      every object: size, name, origin, and the runs that need it
  verify                    takes the hash of every object anew
  prune [--older-than-hours N] [--dry-run]
                            removes what no run refers to and nobody touched for N hours (24)
  run NAME                  holds a finished run against its manifest`;

const { EVERSWIN_HOME: home } = readEnv();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'older-than-hours': { type: 'string', default: '24' }, 'dry-run': { type: 'boolean', default: false } },
});
const [command = '', name] = positionals;

switch (command) {
  case 'list':
    await list();
    break;
  case 'verify':
    await verify();
    break;
  case 'prune':
    await prune();
    break;
  case 'run':
    await checkRun(name);
    break;
  default:
    fail(usage);
}

async function list(): Promise<void> {
  const { by } = await readReferences(home);
  const objects = (await listObjects(home)).sort((a, b) => b.mark.bytes - a.mark.bytes);
  for (const { sha256, name: file, origin, mark } of objects) {
    const runs = by.get(sha256)?.join(', ') ?? 'no run';
    console.log(`${sha256.slice(0, 12)}  ${formatBytes(mark.bytes).padStart(9)}  ${file}  ${origin}  (${runs})`);
  }
  const bytes = objects.reduce((sum, { mark }) => sum + mark.bytes, 0);
  console.log(`${objects.length} objects, ${formatBytes(bytes)}`);
}

async function verify(): Promise<void> {
  const objects = await listObjects(home);
  let damaged = 0;
  for (const object of objects) {
    const isWhole = await rehashObject(home, object);
    if (!isWhole) damaged += 1;
    console.log(`${isWhole ? 'ok     ' : 'DAMAGED'} ${object.sha256.slice(0, 12)}  ${object.name}`);
  }
  console.log(`${objects.length} objects, ${damaged} damaged`);
  if (damaged > 0) fail('The damaged ones were moved to store/damaged; whoever needs them fetches them again.');
}

async function prune(): Promise<void> {
  const hours = Number(values['older-than-hours']);
  if (!Number.isFinite(hours) || hours < 0)
    return fail(`expected --older-than-hours to be a number, got "${values['older-than-hours']}"`);
  const isDry = values['dry-run'];
  const pruned = await pruneStore(home, hours * 3_600_000, isDry);
  for (const { kind: what, name: key, bytes } of pruned)
    console.log(`${isDry ? 'would remove' : 'removed'} ${what} ${key}  ${formatBytes(bytes)}`);
  console.log(
    `${pruned.length} ${isDry ? 'to remove' : 'removed'}, ${formatBytes(pruned.reduce((sum, { bytes }) => sum + bytes, 0))}`,
  );
}

async function checkRun(given: string | undefined): Promise<void> {
  const runId = RunName.safeParse(given);
  if (!runId.success) return fail(`Name one of the runs: ${(await listRuns(home)).join(', ')}`);
  const manifest = await readJson(runFolder(home, runId.data).manifest, RunManifest);
  if (manifest === undefined) return fail(`There is no manifest of ${runId.data}: it is written when a run ends.`);
  const deviations = await findManifestMismatches(home, manifest);
  const { archives } = manifest.dataset;
  console.log(`${manifest.files.length} files of the run, ${archives.length} archives and the weights looked at`);
  if (deviations.length > 0) return fail(deviations.map((one) => `- ${one}`).join('\n'));
  console.log(`ok: ${runId.data} is what its manifest says`);
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}
