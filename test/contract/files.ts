import { readFile } from 'node:fs/promises';
import { format } from 'prettier';
import { projectFile } from '../../workers/env.ts';
import { contract, toJsonSchema } from './contract.ts';
import { fillFieldTables } from './field-tables.ts';

export const contractFolder = projectFile('trainer/contract');
const page = projectFile('docs/trainer-contract.md');
/** Options of .prettierrc; prettier finds none for a text without a file. */
const style = { printWidth: 120, singleQuote: true };

/** Returns every generated file of the contract, by path: the schemas, and the page with its field tables. */
export async function generateContract(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const [name, part] of Object.entries(contract)) {
    const text = JSON.stringify(toJsonSchema(part), null, 2);
    files.set(`${contractFolder}/${name}.schema.json`, await format(text, { ...style, parser: 'json' }));
  }
  files.set(page, await format(fillFieldTables(await readFile(page, 'utf8')), { ...style, parser: 'markdown' }));
  return files;
}
