import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderHtml } from '../../../activities/report/html.ts';
import { replaceControlCharacters } from '../../../activities/report/components/markup.ts';
import { hostileTexts } from '../../fixtures/hostile-texts.ts';
import { sampleAnalysis, sampleClass } from '../../fixtures/sample-analysis.ts';
import { sampleReport } from '../../fixtures/sample-report.ts';
import { axeFile, hasChromium, chromiumTitle, openBrowser } from '../../helpers/browser.ts';
import { projectHome } from '../../helpers/project.ts';
import { hostileAnalysis, hostileReport } from './hostile-report.ts';

/** Eighty classes, as COCO has; one name does not break and is as long as a name may be. */
const classes = Array.from({ length: 80 }, (_, index) =>
  sampleClass(index === 7 ? 'W'.repeat(200) : `class ${index}`, 0.1 + 0.01 * index),
);
const pages = {
  full: renderHtml(sampleReport(), sampleAnalysis({ classes })),
  hostile: renderHtml(hostileReport(), hostileAnalysis()),
};
/** Runs in the browser: tags with the names of their attributes, and all texts. */
const parseInPage = `(source) => {
  const all = [...new DOMParser().parseFromString(source, 'text/html').querySelectorAll('*')];
  const textsOf = (one) => [...one.childNodes].filter(({ nodeType }) => nodeType === 3).map(({ data }) => data);
  return { tags: all.map((one) => [one.nodeName, ...one.getAttributeNames()].join(' ')), texts: all.flatMap(textsOf) };
}`;
const screenshots = `${projectHome}/test-output/report`;

describe.skipIf(!hasChromium)(chromiumTitle('in Chromium'), () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    browser = await openBrowser();
    folder = await mkdtemp(`${tmpdir()}/everswin-report-`);
    await mkdir(screenshots, { recursive: true });
    for (const [name, html] of Object.entries(pages)) await writeFile(`${folder}/${name}.html`, html);
  });
  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  interface View {
    name?: keyof typeof pages;
    width?: number;
    dark?: boolean;
    script?: boolean;
  }

  /** Opens a page, runs `check`, and expects no console output and no requests. */
  async function open(
    { name = 'full', width = 1280, dark = false, script = true }: View,
    check: (page: Page) => Promise<void>,
  ) {
    const page = await browser.newPage({
      viewport: { width, height: 900 },
      colorScheme: dark ? 'dark' : 'light',
      javaScriptEnabled: script,
    });
    const noise: string[] = [];
    page.on('console', (message) => noise.push(message.text()));
    page.on('pageerror', (error) => noise.push(error.message));
    page.on('dialog', (dialog) => noise.push(`dialog: ${dialog.message()}`));
    page.on('request', (request) => {
      if (!/^(file|data):/.test(request.url())) noise.push(request.url());
    });
    await page.goto(`file://${folder}/${name}.html`);
    await check(page);
    await page.close();
    expect(noise).toEqual([]);
  }

  test.each([
    { width: 1280 },
    { width: 390 },
    { width: 1280, dark: true },
    { width: 390, dark: true },
    { width: 1280, script: false },
    { width: 390, name: 'hostile' as const },
  ])('the page logs nothing and does not scroll horizontally: %j', async (view: View) => {
    await open(view, async (page) => {
      const file = `page-${Object.entries(view).flat().join('-')}`;
      await page.screenshot({ path: `${screenshots}/${file}.png`, fullPage: true });
      const sizes = '[document.documentElement.scrollWidth, document.documentElement.clientWidth]';
      const [scroll, client] = await page.evaluate<[number, number]>(sizes);
      expect(scroll).toBe(client);
    });
  });

  test.skipIf(axeFile === undefined).each([{}, { dark: true }, { width: 390 }, { name: 'hostile' as const }])(
    `axe reports no serious violation: %j${axeFile === undefined ? ' (skipped: axe-core is not installed)' : ''}`,
    async (view) => {
      await open(view, async (page) => {
        await page.evaluate(await readFile(axeFile ?? '', 'utf8'));
        const found: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[] =
          await page.evaluate('axe.run().then(({ violations }) => violations)');
        const serious = found.filter(({ impact }) => ['serious', 'critical'].includes(impact));
        expect(serious.map(({ id, nodes }) => [id, ...nodes.slice(0, 3).map((one) => one.failureSummary)])).toEqual([]);
      });
    },
  );

  test('clicking a heading sorts the classes; without scripts the weakest come first', async () => {
    const firstNames = async (page: Page) => (await page.locator('#classes tbody th').allTextContents()).slice(0, 2);
    await open({ script: false }, async (page) => {
      expect(await firstNames(page)).toEqual(['class 0', 'class 1']);
    });
    await open({}, async (page) => {
      const classes = page.locator('#classes');
      await classes.getByRole('button', { name: 'Box AP', exact: true }).click();
      expect(await firstNames(page)).toEqual(['class 79', 'class 78']);
      await classes.getByRole('button', { name: 'Class', exact: true }).click();
      expect(await firstNames(page)).toEqual(['class 0', 'class 1']);
      expect(await classes.locator('[aria-sort]').allTextContents()).toEqual(['Class']);
    });
  });

  test('printing does not cut off scrollable boxes', async () => {
    await open({}, async (page) => {
      await page.emulateMedia({ media: 'print' });
      const cut = await page.evaluate<number>(
        `[...document.querySelectorAll('.tall, pre')].filter((box) => box.scrollHeight > box.clientHeight + 1).length`,
      );
      expect(cut).toBe(0);
      expect((await page.pdf({ path: `${screenshots}/page.pdf` })).length).toBeGreaterThan(10_000);
    });
  });

  test('the gallery enlarges images, hides boxes by score and filters by outcome', async () => {
    await open({}, async (page) => {
      const heights = await page.evaluate<number[]>(
        '[...document.images].map((one) => one.getBoundingClientRect().height)',
      );
      expect(heights.filter((height) => height > 50)).toHaveLength(4);
      const dialog = page.getByRole('dialog');
      const hidden = (kind: string): Promise<boolean[]> =>
        page.evaluate(
          `[...document.querySelectorAll('dialog g.${kind}')].map((one) => getComputedStyle(one).display === 'none')`,
        );
      await page.getByRole('button', { name: 'Enlarge 000000000285.jpg' }).focus();
      await page.keyboard.press('Enter');
      await expect.poll(() => dialog.locator('.caption').textContent()).toContain('000000000285.jpg');
      await page.screenshot({ path: `${screenshots}/enlarged.png` });
      expect(await hidden('truth')).toEqual([true, false]);
      await dialog.getByLabel('all ground truth').check();
      expect(await hidden('truth')).toEqual([false, false]);
      await dialog.getByLabel('Score from').fill('0.95');
      expect(await hidden('correct')).toEqual([true]);
      // The object of the hidden prediction is now one of the missed ones.
      expect(await dialog.locator('g.missed').count()).toBe(2);
      await page.keyboard.press('Escape');
      expect(await dialog.count()).toBe(0);
      await page.getByLabel('Outcome').selectOption('duplicate');
      expect(await page.locator('#gallery output').textContent()).toBe('0 of 3 images');
      await page.getByLabel('Outcome').selectOption('missed');
      expect(await page.locator('#gallery output').textContent()).toBe('3 of 3 images');
    });
  });

  test('tables are saved as CSV, and charts show values under the pointer', async () => {
    await open({}, async (page) => {
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Save “Most confused classes” as CSV' }).click();
      const saved = await (await download).path();
      const text = await readFile(saved, 'utf8');
      expect(text.split('\r\n')[0]).toBe('"Actual","Predicted","Objects","Share of actual"');
      await page.locator('svg[aria-labelledby^="ap-"]').hover();
      expect(await page.locator('.values').allTextContents()).toContainEqual(expect.stringContaining('box AP'));
    });
  });

  test('hostile texts add no tags in the parser of the browser', async () => {
    const draw = (text: string): string => renderHtml(hostileReport(text), hostileAnalysis(text));
    await open({}, async (page) => {
      const parse = (html: string): Promise<{ tags: string[]; texts: string[] }> =>
        page.evaluate(`(${parseInPage})(${JSON.stringify(html)})`);
      const benign = await parse(draw('benign'));
      const places = benign.texts.filter((text) => text.includes('benign')).length;
      for (const text of hostileTexts) {
        const { tags, texts } = await parse(draw(text));
        expect(tags, text).toEqual(benign.tags);
        const shown = replaceControlCharacters(text);
        expect(texts.filter((one) => one.includes(shown)).length, text).toBeGreaterThanOrEqual(places - 1);
      }
    });
  });
});
