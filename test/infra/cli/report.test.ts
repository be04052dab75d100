import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { renderHtml } from '../../../activities/report/html.ts';
import { renderMarkdown } from '../../../activities/report/markdown.ts';
import { sampleAnalysis } from '../../fixtures/sample-analysis.ts';
import { sampleReport } from '../../fixtures/sample-report.ts';
import { projectRoot } from '../../helpers/project.ts';

const report = sampleReport();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-draw-`);
  await writeFile(`${folder}/report.json`, JSON.stringify(report));
});
afterAll(() => rm(folder, { recursive: true }));

const draw = (...argv: string[]) =>
  execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, 'report', ...argv], {
    cwd: folder,
    reject: false,
  });

test('report renders the page of the run from report.json alone', async () => {
  expect((await draw('report.json', '--out', 'page.html')).exitCode).toBe(0);
  expect(await readFile(`${folder}/page.html`, 'utf8')).toBe(renderHtml(report));
});

test('report uses analysis.json next to it and writes Markdown to a .md file', async () => {
  await writeFile(`${folder}/analysis.json`, JSON.stringify(sampleAnalysis()));
  expect((await draw('report.json', '--out', 'page.md')).exitCode).toBe(0);
  expect(await readFile(`${folder}/page.md`, 'utf8')).toBe(renderMarkdown(report, sampleAnalysis()));
});

test.each([
  [['report.json'], 2, "required option '--out <file>'"],
  [['report.json', '--out', 'page.exe'], 2, 'Expected --out to end in .html or .md, got "page.exe".'],
  [['none.json', '--out', 'page.html'], 1, 'none.json'],
  [['analysis.json', '--out', 'page.html'], 1, 'analysis.json is not a file that everswin wrote'],
])('report %j exits with %i and a message that names the problem', async (argv, code, message) => {
  const { exitCode, stderr } = await draw(...argv);
  expect([exitCode, stderr]).toEqual([code, expect.stringContaining(message)]);
});
