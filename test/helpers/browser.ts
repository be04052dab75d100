import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { chromium, type Browser, type Page } from 'playwright-core';
import { projectHome } from './project.ts';

/** The system's own; the tests download none. */
const executable = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/** Why nothing can be seen in a browser here; undefined where it can. */
export const noBrowser = executable === undefined ? 'there is no Chromium on this machine' : undefined;

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ ...(executable && { executablePath: executable }), args: ['--no-sandbox', '--headless'] });

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
