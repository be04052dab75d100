/** Writes all generated files, such as trainer/contract and docs/reference: `npm run contract`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { projectFile } from '../../workers/env.ts';
import { generatedPages } from '../docs/generated-pages.ts';
import { contractFolder, generateContract, generateInputFiles } from './files.ts';

await mkdir(contractFolder, { recursive: true });
for (const [path, text] of [...(await generateContract()), ...(await generateInputFiles())])
  await writeFile(path, text);
for (const [path, generate] of Object.entries(generatedPages)) await writeFile(projectFile(path), await generate());
