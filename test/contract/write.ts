/** Writes all generated files, such as trainer/contract and docs/reference/commands.md: `npm run contract`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { commandsPage, generateCommandsPage } from '../docs/commands-page.ts';
import { contractFolder, generateContract, generateInputFiles } from './files.ts';

await mkdir(contractFolder, { recursive: true });
for (const [path, text] of [...(await generateContract()), ...(await generateInputFiles())])
  await writeFile(path, text);
await writeFile(commandsPage, await generateCommandsPage());
