import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { runFolder } from '../../../configs/paths.ts';
import { sampleReport } from '../../fixtures/sample-report.ts';
import { projectRoot } from '../../helpers/project.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';

test('status shows a finished run that Temporal no longer has, and start does not repeat it', async () => {
  const home = await mkdtemp(`${tmpdir()}/everswin-finished-`);
  const everswin = async (...argv: string[]) => {
    // The newest runs of all other tests would fill the list.
    const env = { EVERSWIN_HOME: home, TEMPORAL_ADDRESS: temporalAddress(), EVERSWIN_DEPLOYMENT: 'long-run' };
    return execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, ...argv], { env, reject: false });
  };
  for (const [name, text] of [
    ['long-ago', JSON.stringify(sampleReport())],
    ['long-ago.evaluation', JSON.stringify(sampleReport())],
    ['damaged', '{"v": 1'],
  ] as const) {
    const { report } = runFolder(home, name);
    await mkdir(report, { recursive: true });
    await writeFile(`${report}/report.json`, text);
  }
  await mkdir(`${runFolder(home, 'unreadable').report}/report.json`, { recursive: true }); // a folder for a file
  const json = JSON.parse((await everswin('status', '--json')).stdout) as { id: string; report?: string }[];
  const finished = json.filter(({ report }) => report !== undefined).map(({ id }) => id);
  expect(finished.sort()).toEqual(['long-run:evaluate:long-ago', 'long-run:train:long-ago']);
  const report = `${home}/runs/long-ago/report/index.html`;
  expect((await everswin('status', 'long-ago')).stdout).toMatch(
    new RegExp(`^long-ago +done\n.*\n +test +box AP 50\\.\\d+ +mask AP \\d+\\.\\d+\n +report +${report}$`),
  );
  const demo = await readFile(`${projectRoot}/configs/runs/demo.json`, 'utf8');
  await writeFile(`${home}/run.json`, JSON.stringify({ ...(JSON.parse(demo) as object), name: 'long-ago' }));
  const { exitCode, stdout } = await everswin('start', `${home}/run.json`, '--no-wait');
  expect(exitCode).toBe(0);
  expect(stdout).toContain('long-run:train:long-ago has already finished. To train again, choose another name.');
  expect(stdout).toContain(report);
  expect(await everswin('status', 'damaged')).toMatchObject({ exitCode: 1 });
  await rm(home, { recursive: true });
});
