/**
 * Measures the report of a synthetic test with 80 classes and 5,000 images: size of the page, time until it is loaded
 * and painted in Chromium, and violations that axe finds. `--screenshots FOLDER` also saves pictures of the page.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { renderHtml } from '../../activities/report/html.ts';
import { Analysis } from '../../configs/schema/index.ts';
import { blogMetrics, sampleReport } from '../fixtures/sample-report.ts';
import { axeFile, openBrowser } from '../helpers/browser.ts';
import { projectRoot, python } from '../helpers/project.ts';
import { printFigures, readEnvironment, saveRecord, summarize } from './record.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    repeats: { type: 'string', default: '10' },
    out: { type: 'string' },
    screenshots: { type: 'string' },
  },
});
const environment = await readEnvironment(
  { seed: values.seed, repeats: Number(values.repeats), out: values.out },
  'report.ts',
);
const folder = await mkdtemp(`${tmpdir()}/everswin-bench-`);
const browser = await openBrowser();
try {
  await execa(python, [`${projectRoot}/test/bench/report_analysis.py`, folder, values.seed], {
    env: { PYTHONPATH: `${projectRoot}/trainer` },
    stderr: 'inherit',
  });
  const source = await readFile(`${folder}/analysis.json`, 'utf8');
  const analysis = Analysis.parse(JSON.parse(source));
  const { checkpointSha256 } = blogMetrics;
  const page = renderHtml(sampleReport(), { ...analysis, checkpointSha256 });
  const path = `${folder}/index.html`;
  await writeFile(path, page);
  const samples = [];
  for (let index = 0; index < Number(values.repeats); index += 1) samples.push(await measureLoad(path));
  const figures = [
    summarize(
      'loaded',
      's',
      samples.map((one) => one.loadedSeconds),
      '< 1',
    ),
    summarize(
      'painted',
      's',
      samples.map((one) => one.paintedSeconds),
      '< 1',
    ),
  ];
  const pageBytes = Buffer.byteLength(page);
  const violations = await findViolations(path);
  const counts = { pageBytes, analysisBytes: Buffer.byteLength(source), images: analysis.gallery.length, violations };
  console.log(counts);
  printFigures(figures);
  await saveRecord(values.out, { ...environment, counts, figures, raw: samples });
  if (values.screenshots !== undefined) await saveScreenshots(path, values.screenshots);
} finally {
  await browser.close();
  await rm(folder, { recursive: true });
}

/** Opens the page in a new context, without a cache. Times count from the start of the navigation. */
async function measureLoad(path: string): Promise<{ loadedSeconds: number; paintedSeconds: number }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(`file://${path}`);
  const painted =
    'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))';
  const paintedMs = await page.evaluate<number>(painted);
  const loadedMs = await page.evaluate<number>(`performance.getEntriesByType('navigation')[0].loadEventEnd`);
  await page.close();
  return { loadedSeconds: loadedMs / 1000, paintedSeconds: paintedMs / 1000 };
}

/** Returns the rules that the page violates seriously; null if axe-core is not installed. */
async function findViolations(path: string): Promise<string[] | null> {
  if (axeFile === undefined) return null;
  const page = await browser.newPage();
  await page.goto(`file://${path}`);
  await page.evaluate(await readFile(axeFile, 'utf8'));
  const found = await page.evaluate<{ id: string; impact: string }[]>('axe.run().then(({ violations }) => violations)');
  await page.close();
  return found.filter(({ impact }) => ['serious', 'critical'].includes(impact)).map(({ id }) => id);
}

async function saveScreenshots(path: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  for (const { name, ...view } of [
    { name: 'wide', viewport: { width: 1280, height: 900 } },
    { name: 'phone', viewport: { width: 390, height: 844 } },
    { name: 'dark', viewport: { width: 1280, height: 900 }, colorScheme: 'dark' as const },
    { name: 'script-off', viewport: { width: 1280, height: 900 }, javaScriptEnabled: false },
  ]) {
    const page = await browser.newPage(view);
    await page.goto(`file://${path}`);
    for (const id of ['results', 'curves', 'gallery', 'classes', 'thresholds', 'confusion', 'data'])
      await page.locator(`#${id}`).screenshot({ path: `${target}/${name}-${id}.png` });
    await page.locator('header').screenshot({ path: `${target}/${name}-header.png` });
    if (name === 'wide') await page.pdf({ path: `${target}/page.pdf`, format: 'A4' });
    await page.close();
  }
}
