/**
 * Makes the pictures of the documentation from a real run of the demo: `node test/docs/make-pictures.ts`. It takes about
 * three minutes and needs Chromium. View each picture before you commit it.
 */
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import type { Browser } from 'playwright-core';
import { projectFile } from '../../workers/env.ts';
import { openBrowser } from '../helpers/browser.ts';

const pictures = projectFile('docs/pictures');
const everswin = projectFile('bin/everswin');
/** Epoch after whose validation the live page has curves and a time left. */
const liveEpoch = 7;
const largestBytes = 100_000;

const folder = await mkdtemp(`${tmpdir()}/everswin-pictures-`);
const browser = await openBrowser();
try {
  await mkdir(pictures, { recursive: true });
  const { run, report } = await runDemo(browser);
  await takePicture(browser, `file://${report}`, 'report', 560);
  await takePicture(browser, `file://${report}#gallery`, 'gallery', 800);
  const archive = projectFile('.everswin/demo/val2017.zip');
  await execa(everswin, ['predict', run, archive, '--out', `${folder}/found`], { stdio: 'inherit' });
  await takePicture(browser, `file://${folder}/found/index.html`, 'predictions', 620);
} finally {
  await browser.close();
  await rm(folder, { recursive: true, force: true });
}

/** Runs the demo, and takes a picture of its live page on the way. @returns its name, and the path of its report. */
async function runDemo(browser: Browser): Promise<{ run: string; report: string }> {
  const demo = execa(everswin, ['demo']);
  const found = { pages: '', run: '', report: '' };
  let live: Promise<void> | undefined;
  for await (const line of demo) {
    console.log(line);
    found.pages = /Pages +(http\S+)/.exec(line)?.[1] ?? found.pages;
    found.run = /train:(\S+) started/.exec(line)?.[1] ?? found.run;
    found.report = /^Report +(\S+)/.exec(line)?.[1] ?? found.report;
    if (line.includes(`epoch ${liveEpoch}/`))
      live ??= takePicture(browser, `${found.pages}/runs/${found.run}/`, 'live-page', 870);
  }
  if (live === undefined || found.report === '') throw new Error('The demo printed no epoch or no report.');
  await live;
  return found;
}

/** Takes a picture of the top of a page, or of the part that its address names, as WebP of at most 100 kB. */
async function takePicture(browser: Browser, url: string, name: string, height: number): Promise<void> {
  const page = await browser.newPage({ viewport: { width: 1000, height }, colorScheme: 'light' });
  await page.goto(url, { waitUntil: 'load' });
  const png = (await page.screenshot()).toString('base64');
  // A page of its own, because the content policy of the report allows no image from elsewhere.
  await page.goto('about:blank');
  const webp = await page.evaluate(`(async () => {
    const image = new Image();
    image.src = 'data:image/png;base64,${png}';
    await image.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext('2d').drawImage(image, 0, 0);
    return canvas.toDataURL('image/webp', 0.85);
  })()`);
  await page.close();
  const path = `${pictures}/${name}.webp`;
  await writeFile(path, Buffer.from(String(webp).replace(/^data:image\/webp;base64,/, ''), 'base64'));
  const { size } = await stat(path);
  console.log(`${path}: ${size} bytes`);
  if (size > largestBytes) throw new Error(`${path} has ${size} bytes; at most ${largestBytes} are allowed.`);
}
