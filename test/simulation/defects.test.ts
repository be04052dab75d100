import { execa } from 'execa';
import { expect, test } from 'vitest';
import { projectRoot } from '../helpers/project.ts';
import { defectsFolder, listDefects } from './defects.ts';

test('each planted defect has a title and still applies to the sources', async () => {
  for (const { name, title } of await listDefects()) {
    expect(title, name).toMatch(/^[A-Z].{10,100}\.$/);
    const patch = `${defectsFolder}/${name}.patch`;
    await execa('git', ['apply', '--check', '--recount', '-C1', patch], { cwd: projectRoot });
  }
});
