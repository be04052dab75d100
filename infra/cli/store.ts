/** `npm run store -- list | verify | prune [--older-than-hours N] [--dry-run] | run NAME`: inspects the object store of this machine. */
import { parseArgs } from 'node:util';
import { readJson } from '../../activities/shared/files/json-file.ts';
import { listObjects, rehashObject } from '../../activities/shared/store/objects.ts';
import { pruneStore } from '../../activities/inputs/prune-store.ts';
import { listRuns, readReferences } from '../../activities/plan/references.ts';
import { findManifestMismatches } from '../../activities/report/run-manifest.ts';
import { runFolder } from '../../configs/paths.ts';
import { RunManifest, RunName } from '../../configs/schema/index.ts';
import { formatBytes } from '../../activities/shared/summary/format-bytes.ts';
import { defaultHome } from '../stack/arguments.ts';
import { fail, runProgram } from '../terminal/program.ts';

const usage = `Usage: npm run store -- COMMAND
  list                      list all objects with size, name, origin and the runs that use them
  verify                    recompute the hash of every object
  prune [--older-than-hours N] [--dry-run]
                            remove objects that no run references and that are unused for N hours (default: 24)
  run NAME                  verify a finished run against its manifest`;

const home = defaultHome();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'older-than-hours': { type: 'string', default: '24' }, 'dry-run': { type: 'boolean', default: false } },
});
const [command = '', name] = positionals;

await runProgram(async () => {
  switch (command) {
    case 'list':
      return list();
    case 'verify':
      return verify();
    case 'prune':
      return prune();
    case 'run':
      return verifyRun(name);
    default:
      return fail(usage);
  }
});

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
    const isIntact = await rehashObject(home, object);
    if (!isIntact) damaged += 1;
    console.log(`${isIntact ? 'ok     ' : 'DAMAGED'} ${object.sha256.slice(0, 12)}  ${object.name}`);
  }
  console.log(`${objects.length} objects, ${damaged} damaged`);
  if (damaged > 0)
    fail('Damaged objects were moved to store/damaged. The next run that needs them downloads them again.');
}

async function prune(): Promise<void> {
  const hours = Number(values['older-than-hours']);
  if (!Number.isFinite(hours) || hours < 0)
    return fail(`Expected --older-than-hours to be a number, got "${values['older-than-hours']}"`);
  const isDry = values['dry-run'];
  const pruned = await pruneStore(home, hours * 3_600_000, isDry);
  for (const { kind: what, name: key, bytes } of pruned)
    console.log(`${isDry ? 'would remove' : 'removed'} ${what} ${key}  ${formatBytes(bytes)}`);
  console.log(
    `${pruned.length} ${isDry ? 'to remove' : 'removed'}, ${formatBytes(pruned.reduce((sum, { bytes }) => sum + bytes, 0))}`,
  );
}

async function verifyRun(given: string | undefined): Promise<void> {
  const runId = RunName.safeParse(given);
  if (!runId.success) return fail(`Expected the name of a run, one of: ${(await listRuns(home)).join(', ')}`);
  const manifest = await readJson(runFolder(home, runId.data).manifest, RunManifest);
  if (manifest === undefined) return fail(`${runId.data} has no manifest yet. A run writes it when it ends.`);
  const mismatches = await findManifestMismatches(home, manifest);
  const { archives } = manifest.dataset;
  console.log(`${manifest.files.length} files of the run, ${archives.length} archives and the weights checked`);
  if (mismatches.length > 0) return fail(mismatches.map((one) => `- ${one}`).join('\n'));
  console.log(`ok: ${runId.data} matches its manifest`);
}
