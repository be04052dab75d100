import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium, type Browser, type Page } from 'playwright-core';
import { projectHome } from './project.ts';

/** Browser of the system; the tests download none. */
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
export const hasChromium = executablePath !== undefined;
/** Why browser tests are skipped; undefined if they run. */
export const browserSkipReason = hasChromium ? undefined : 'there is no Chromium on this machine';

/** Adds the reason to the title of skipped tests. */
export const chromiumTitle = (title: string): string =>
  hasChromium ? title : `${title} (skipped: ${browserSkipReason})`;

/** Opens a browser without a sandbox, which containers often lack; the tests open only their own pages. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ ...(executablePath && { executablePath }), headless: true, args: ['--no-sandbox'] });

/** Path of axe-core, which checks accessibility; undefined if it is not installed. */
export const axeFile = ((): string | undefined => {
  try {
    return createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  } catch {
    return undefined;
  }
})();

/** Collects console errors, warnings and uncaught exceptions of the page. */
export function listenForErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  return errors;
}

/** Saves a screenshot for review: `.everswin/screenshots/NAME.png`. */
export async function saveScreenshot(page: Page, name: string): Promise<void> {
  const folder = `${projectHome}/screenshots`;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}
