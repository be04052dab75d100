import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { commandsPage, generateCommandsPage } from './commands-page.ts';

test('docs/reference/commands.md equals the definitions of the commands', async () => {
  const page = await readFile(commandsPage, 'utf8').catch(() => 'missing');
  expect(page, 'docs/reference/commands.md is out of date: run `npm run contract`').toBe(await generateCommandsPage());
});
