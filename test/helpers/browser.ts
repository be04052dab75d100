import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium, type Browser, type Page } from 'playwright-core';
import { projectHome } from './project.ts';

/** The system's own; the tests download none. */
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
export const hasChromium = executablePath !== undefined;
/** Why nothing can be seen in a browser here; undefined where it can. */
export const noBrowser = hasChromium ? undefined : 'there is no Chromium on this machine';

/** A title that says why its tests do not run where they do not. */
export const inChromium = (title: string): string => (hasChromium ? title : `${title} (skipped: ${noBrowser})`);

/** Without a sandbox: in a container there often is none to be had, and only pages of our own are opened. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ ...(executablePath && { executablePath }), headless: true, args: ['--no-sandbox'] });

/** The file of axe-core, which finds what keeps people from reading a page; undefined where it is not installed. */
export const axeFile = ((): string | undefined => {
  try {
    return createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  } catch {
    return undefined;
  }
})();

/** All that the page complains of from now on. */
export function listenForErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  return errors;
}

/** Kept, so that a person can look at what the test saw: `.everswin/screenshots/NAME.png`. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  const folder = `${projectHome}/screenshots`;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}
