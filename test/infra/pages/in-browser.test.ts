/** Pages of runs in every state, in Chromium. */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { localStore } from '../../../activities/shared/store/local-store.ts';
import { homeFolders } from '../../../configs/paths.ts';
import { startPageServer } from '../../../infra/pages/page-server.ts';
import type { LoopbackServer } from '../../../infra/pages/serve-on-loopback.ts';
import { writeSampleRuns } from '../../fixtures/sample-runs.ts';
import { axeFile, chromiumTitle, hasChromium, listenForErrors, openBrowser } from '../../helpers/browser.ts';
import { projectHome } from '../../helpers/project.ts';

const screenshots = `${projectHome}/test-output/pages`;
const compared = '/compare?run=coco-baseline&run=coco-lower-rate';
const pages = {
  runs: '/',
  compare: compared,
  'compare-one': '/compare?run=coco-baseline',
  'not-found': '/runs/unknown/',
  preparing: '/runs/sheep-next/',
  queued: '/runs/sheep-swin-b/',
  training: '/runs/sheep-swin-t/',
  stopped: '/runs/sheep-stopped/',
  interrupted: '/runs/sheep-retry/',
  failed: '/runs/sheep-oom/',
  'failed-plan': '/runs/sheep-typo/',
  trained: '/runs/demo-trained/',
};
type State = keyof typeof pages | 'empty';
const all = [...(Object.keys(pages) as (keyof typeof pages)[]), 'empty'] satisfies State[]; // the keys of a literal

interface View {
  name: string;
  states: State[];
  width?: number;
  options?: { colorScheme?: 'dark'; javaScriptEnabled?: boolean };
  media?: 'print';
}
const views: View[] = [
  { name: 'light', states: all },
  { name: 'dark', states: ['runs', 'failed'], options: { colorScheme: 'dark' } },
  { name: 'phone', states: ['runs', 'compare', 'failed', 'empty'], width: 390 },
  // The pages of unfinished runs reload themselves without scripts.
  { name: 'no-script', states: ['runs', 'compare'], options: { javaScriptEnabled: false } },
  { name: 'print', states: ['runs', 'failed'], width: 1040, media: 'print' },
];
const checkedByAxe = new Set<State>(['runs', 'training', 'failed', 'empty']);

describe.skipIf(!hasChromium)(chromiumTitle('in Chromium'), () => {
  let home: string;
  let browser: Browser;
  const servers: LoopbackServer[] = [];
  let url: string;
  let emptyUrl: string;

  beforeAll(async () => {
    home = await mkdtemp(`${tmpdir()}/everswin-pages-`);
    await mkdir(screenshots, { recursive: true });
    await writeSampleRuns(`${home}/full`, Date.now() / 1000);
    const serve = async (name: string): Promise<string> => {
      const store = localStore(homeFolders(`${home}/${name}`).store);
      const server = await startPageServer({ home: `${home}/${name}`, store, port: 0 });
      servers.push(server);
      return server.url;
    };
    [url, emptyUrl] = [await serve('full'), await serve('empty')];
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser.close();
    for (const server of servers) await server.close();
    await rm(home, { recursive: true });
  });

  async function findViolations(page: Page): Promise<string[]> {
    if (axeFile === undefined) return [];
    await page.evaluate(await readFile(axeFile, 'utf8'));
    const found: { id: string; impact: string; nodes: { failureSummary: string }[] }[] = await page.evaluate(
      'axe.run().then(({ violations }) => violations)',
    );
    return found
      .filter(({ impact }) => ['serious', 'critical'].includes(impact))
      .map(({ id, nodes }) => `${id}: ${nodes[0]?.failureSummary ?? ''}`);
  }

  test.each(views)(
    'every page fits, logs nothing and is accessible: $name',
    async ({ name, states, width = 1280, options, media = null }) => {
      const page = await browser.newPage({ viewport: { width, height: 900 }, ...options });
      const errors = listenForErrors(page);
      await page.emulateMedia({ media });
      for (const state of states) {
        await page.goto(state === 'empty' ? emptyUrl : `${url}${pages[state]}`);
        await page.screenshot({ path: `${screenshots}/${state}-${name}.png`, fullPage: true });
        const sizes = '[document.documentElement.scrollWidth, document.documentElement.clientWidth]';
        const [scroll, client] = await page.evaluate<[number, number]>(sizes);
        expect(scroll, state).toBe(client);
        if (media === null && width > 390 && options?.javaScriptEnabled !== false && checkedByAxe.has(state))
          expect(await findViolations(page), state).toEqual([]);
      }
      expect(errors.filter((text) => !/status of 40[04]/.test(text))).toEqual([]);
      await page.close();
    },
  );

  test('the table of runs can be searched, sorted and compared', async () => {
    const page = await browser.newPage();
    const names = (): Promise<string[]> => page.locator('.runs tbody tr:visible th').allTextContents();
    await page.goto(url);
    await page.getByRole('searchbox').fill('coco  COMPLETED');
    expect(await names()).toEqual([
      'coco-baseline',
      'coco-lower-rate',
      'coco-longer-name-of-a-run-that-needs-two-lines',
    ]);
    await page.getByRole('button', { name: 'Box AP' }).click();
    expect((await names())[0]).toBe('coco-longer-name-of-a-run-that-needs-two-lines');
    const compare = page.getByRole('button', { name: /^Compare/ });
    expect(await compare.isDisabled()).toBe(true);
    for (const name of ['coco-baseline', 'coco-lower-rate']) await page.getByLabel(`Compare ${name}`).check();
    await compare.click();
    await page.waitForURL(`${url}/compare?run=coco-lower-rate&run=coco-baseline`); // in the order of the table
    expect(await page.locator('h1').textContent()).toBe('coco-lower-rate · coco-baseline');
    await page.close();
  });

  test('the table of runs is complete, newest first and compares without scripts', async () => {
    const page = await browser.newPage({ javaScriptEnabled: false });
    await page.goto(url);
    expect(await page.locator('.runs tbody th').allTextContents()).toEqual([
      'sheep-typo',
      'sheep-next',
      'sheep-swin-b',
      'sheep-swin-t',
      'sheep-stopped',
      'sheep-cancelled',
      'sheep-retry',
      'sheep-oom',
      'demo-trained',
      'coco-baseline',
      'coco-lower-rate',
      'coco-longer-name-of-a-run-that-needs-two-lines',
    ]);
    for (const name of ['coco-baseline', 'coco-lower-rate']) await page.getByLabel(`Compare ${name}`).check();
    await page.getByRole('button', { name: 'Compare' }).click();
    await page.waitForURL(`${url}${compared}`);
    await page.getByRole('link', { name: 'Runs' }).click();
    await page.waitForURL(`${url}/`);
    await page.close();
  });

  test('a report leads back to the runs', async () => {
    const page = await browser.newPage();
    await page.goto(`${url}/runs/coco-baseline/`);
    await page.getByRole('link', { name: 'Runs' }).click();
    await page.waitForURL(`${url}/`);
    await page.close();
  });
});
