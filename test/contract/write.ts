/** Writes trainer/contract and the field tables of docs/trainer-contract.md: `npm run contract`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { contractFolder, generateContract } from './files.ts';

await mkdir(contractFolder, { recursive: true });
for (const [path, text] of await generateContract()) await writeFile(path, text);
