import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser } from 'playwright-core';

const executablePath = '/usr/bin/chromium';
export const hasChromium = existsSync(executablePath);

/** A title that says why its tests do not run where they do not. */
export const inChromium = (title: string): string =>
  hasChromium ? title : `${title} (skipped: there is no ${executablePath})`;

/** Without a sandbox: in a container there often is none to be had, and only pages of our own are opened. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath, headless: true, args: ['--no-sandbox'] });

/** The file of axe-core, which finds what keeps people from reading a page; undefined where it is not installed. */
export const axeFile = ((): string | undefined => {
  try {
    return createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  } catch {
    return undefined;
  }
})();
