/** Inspects the object store of this machine. */
import { existsSync } from 'node:fs';
import { readJson } from '../../activities/shared/files/json-file.ts';
import { listObjects, rehashObject } from '../../activities/shared/store/objects.ts';
import { pruneStore } from '../../activities/inputs/prune-store.ts';
import { readReferences } from '../../activities/plan/references.ts';
import { findManifestMismatches } from '../../activities/report/run-manifest.ts';
import { runFolder } from '../../configs/paths.ts';
import { RunManifest, RunName } from '../../configs/schema/index.ts';
import { formatBytes } from '../../activities/shared/summary/format-bytes.ts';
import { defaultHome } from '../stack/stack-options.ts';
import { fail, UsageError } from '../terminal/program.ts';
import { explainUnknownRun } from './unknown-run.ts';

export async function list(): Promise<void> {
  const home = defaultHome();
  const { by } = await readReferences(home);
  const objects = (await listObjects(home)).sort((a, b) => b.mark.bytes - a.mark.bytes);
  for (const { sha256, name: file, origin, mark } of objects) {
    const runs = by.get(sha256)?.join(', ') ?? 'no run';
    console.log(`${sha256.slice(0, 12)}  ${formatBytes(mark.bytes).padStart(9)}  ${file}  ${origin}  (${runs})`);
  }
  const bytes = objects.reduce((sum, { mark }) => sum + mark.bytes, 0);
  console.log(`${objects.length} objects, ${formatBytes(bytes)}`);
}

export async function verify(): Promise<void> {
  const home = defaultHome();
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

interface PruneOptions {
  olderThanHours: number;
  dryRun?: boolean | undefined;
}

export async function prune({ olderThanHours, dryRun: isDry = false }: PruneOptions): Promise<void> {
  const pruned = await pruneStore(defaultHome(), olderThanHours * 3_600_000, isDry);
  for (const { kind: what, name: key, bytes } of pruned)
    console.log(`${isDry ? 'would remove' : 'removed'} ${what} ${key}  ${formatBytes(bytes)}`);
  console.log(
    `${pruned.length} ${isDry ? 'to remove' : 'removed'}, ${formatBytes(pruned.reduce((sum, { bytes }) => sum + bytes, 0))}`,
  );
}

export async function verifyRun(given: string): Promise<void> {
  const home = defaultHome();
  const runId = RunName.safeParse(given);
  if (!runId.success) throw new UsageError(await explainUnknownRun(home, given));
  if (!existsSync(runFolder(home, runId.data).root)) throw new UsageError(await explainUnknownRun(home, runId.data));
  const manifest = await readJson(runFolder(home, runId.data).manifest, RunManifest);
  if (manifest === undefined)
    return fail(
      `${runId.data} has no manifest, which a run writes after its report. \`everswin status ${runId.data}\` shows its state.`,
    );
  const mismatches = await findManifestMismatches(home, manifest);
  const { archives } = manifest.dataset;
  console.log(`${manifest.files.length} files of the run, ${archives.length} archives and the weights checked`);
  if (mismatches.length > 0) return fail(mismatches.map((one) => `- ${one}`).join('\n'));
  console.log(`ok: ${runId.data} matches its manifest`);
}
