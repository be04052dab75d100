/** Live page of a fake-trainer run, served by a separate process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { ignoreMissing } from '../../../activities/shared/files/ignore-missing.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import type { Attempt, TrainerControl } from '../../../configs/schema/index.ts';
import { saveScreenshot, listenForErrors, browserSkipReason, openBrowser } from '../../helpers/browser.ts';
import { createMiniRun, miniControl, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { clientOf, mockEnvironment } from '../../helpers/mock-environment.ts';
import { projectRoot } from '../../helpers/project.ts';
import { until } from '../../helpers/until.ts';

const stepSeconds = 0.25;
const stepsPerEpoch = 8;

let run: MiniRun;
let server: ChildProcess;
let url: string;
let training: Promise<Attempt>;
/** Lets the run train until the tests of the running training are done. */
let control: TrainerControl = { ...miniControl, epochs: 500 };
let browser: Browser | undefined;

beforeAll(async () => {
  run = await createMiniRun('--step-seconds', String(stepSeconds), '--steps-per-epoch', String(stepsPerEpoch));
  server = spawn(process.execPath, [`${projectRoot}/infra/pages/pages.ts`], {
    env: { ...process.env, EVERSWIN_HOME: run.dependencies.home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (browserSkipReason === undefined) browser = await openBrowser();
  if (server.stdout === null) throw new Error('expected stdout of the server');
  const [line] = (await once(createInterface(server.stdout), 'line')) as string[]; // the first line is the address
  url = `${line ?? ''}/runs/mini/`;
  const { runTraining } = createGpuActivities(run.dependencies);
  const plan = { ...miniPlan, epochs: control.epochs };
  const request = { plan, attempt: 1, control, rollback: null, since: 0 };
  const environment = mockEnvironment(clientOf({ query: () => control, signal: () => undefined }));
  training = environment.run(runTraining, request);
});

afterAll(async () => {
  await browser?.close();
  server.kill();
  await training.catch(() => undefined);
  await run.remove();
});

const ask = (path: string, headers: Record<string, string> = {}) => fetch(new URL(path, url), { headers });
/** Returns the latest step in a fragment. */
const stepIn = (fragment: string): number => Number(/>step ([\d,]+) of/.exec(fragment)?.[1]?.replace(',', '') ?? -1);

const newestStep = async (): Promise<number> => {
  const events = await readProgress(run.folder.train.progress);
  return Math.max(0, ...events.flatMap((event) => (event.type === 'step' ? [event.iteration] : [])));
};

describe('while the run trains', () => {
  test('the fragment shows every step that the trainer has recorded', async () => {
    const shown = new Set<number>();
    while (Math.max(0, ...shown) < stepsPerEpoch + 2) {
      const recorded = await newestStep();
      const step = stepIn(await (await ask('live')).text());
      expect(Math.max(0, step)).toBeGreaterThanOrEqual(recorded);
      shown.add(step);
      await sleep(50);
    }
    expect(shown.size).toBeGreaterThan(2);
  });

  test('the live file is rewritten after each epoch', async () => {
    const page = await until(async () => {
      const live = await ignoreMissing(readFile(`${run.folder.report}/index.html`, 'utf8'));
      return live !== undefined && />after epoch \d+</.test(live) ? live : undefined;
    });
    expect(page).toContain('<h2>Training</h2>');
    expect(page).not.toContain('connect-src');
  });

  test('the page shows new points without reload and keeps its scroll position', async (context) => {
    if (browser === undefined) return context.skip(browserSkipReason);
    const page = await browser.newPage({ viewport: { width: 1280, height: 700 } });
    const errors = listenForErrors(page);
    await page.goto(url);
    const countPoints = () => page.locator('svg[aria-labelledby^="loss-"] .series circle').count();
    // As text, because browser types are not available here.
    await page.evaluate(`document.body.dataset.mark = 'the same document'; scrollTo(0, 500)`);
    const before = await countPoints();
    await until(async () => (await countPoints()) > before || undefined);
    expect(await page.evaluate('[document.body.dataset.mark, scrollY]')).toEqual(['the same document', 500]);
    expect(await page.locator('#age').textContent()).toMatch(/^Last trainer event \d+ s ago\.$/);
    expect(await page.locator('#link').textContent()).toBe('');
    expect(errors).toEqual([]);
    await page.close();
  });

  test('the page fits a phone screen', async (context) => {
    if (browser === undefined) return context.skip(browserSkipReason);
    const page = await browser.newPage();
    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      await page.goto(url);
      await saveScreenshot(page, `live-${width}`);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    }
    await page.close();
  });

  test('the page reloads itself without scripts', async (context) => {
    if (browser === undefined) return context.skip(browserSkipReason);
    const page = await browser.newPage({ javaScriptEnabled: false });
    await page.goto(url);
    expect(await page.locator('meta[http-equiv="refresh"]').getAttribute('content')).toBe('10');
    expect(await page.locator('svg[aria-labelledby^="loss-"] .series path').count()).toBeGreaterThan(0);
    await page.close();
  });
});

describe('after the run', () => {
  test('the live file shows the final state', async () => {
    control = { ...control, epochs: Math.ceil((await newestStep()) / stepsPerEpoch) + 2 };
    await training;
    const page = await readFile(`${run.folder.report}/index.html`, 'utf8');
    expect(page).toContain('<h2>Training finished, test pending</h2>');
    expect(stepIn(page)).toBe(await newestStep());
  });

  test('an unchanged fragment is answered with 304', async () => {
    const first = await ask('live');
    const etag = first.headers.get('etag') ?? '';
    expect(stepIn(await first.text())).toBe(await newestStep());
    expect((await ask('live', { 'if-none-match': etag })).status).toBe(304);
    expect((await ask('live', { 'if-none-match': '"other"' })).status).toBe(200);
  });

  test('the page reports an unreachable server until it is back', async (context) => {
    if (browser === undefined) return context.skip(browserSkipReason);
    const page = await browser.newPage();
    await page.goto(url);
    await page.context().setOffline(true);
    await page.getByText('The server has not answered since').waitFor();
    await page.context().setOffline(false);
    await page.getByText('The server has not answered since').waitFor({ state: 'detached' });
    await page.close();
  });
});
