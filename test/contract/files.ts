import { readFile } from 'node:fs/promises';
import { format } from 'prettier';
import { projectFile } from '../../workers/env.ts';
import { contract, toJsonSchema } from './contract.ts';
import { fillFieldTables } from './field-tables.ts';
import { fillMetricTables } from './metric-tables.ts';
import { fillRecipeTable } from './recipe-table.ts';
import { fillVariableTable } from './variable-table.ts';
import { fillInputTables, inputs, toInputSchema } from './input-schemas.ts';

export const contractFolder = projectFile('trainer/contract');
const contractPage = projectFile('docs/reference/trainer-contract.md');
export const inputSchemaFolder = projectFile('configs/schema');
const monitoringPage = projectFile('docs/reference/metrics.md');
const environmentPage = projectFile('docs/reference/environment.md');
const recipesPage = projectFile('docs/reference/recipes.md');
const inputPage = projectFile('docs/reference/run-file.md');
/** Options of .prettierrc; prettier finds none for a text without a file. */
const style = { printWidth: 120, singleQuote: true };

/** Returns every generated file of the contract, by path: the schemas, and the pages with their tables. */
export async function generateContract(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const [name, part] of Object.entries(contract))
    files.set(`${contractFolder}/${name}.schema.json`, await formatJson(toJsonSchema(part)));
  files.set(contractPage, await formatPage(fillFieldTables(await readFile(contractPage, 'utf8'))));
  files.set(monitoringPage, await formatPage(fillMetricTables(await readFile(monitoringPage, 'utf8'))));
  files.set(environmentPage, await formatPage(fillVariableTable(await readFile(environmentPage, 'utf8'))));
  files.set(recipesPage, await formatPage(fillRecipeTable(await readFile(recipesPage, 'utf8'))));
  return files;
}

/** Returns every generated file for the inputs, by path: the schemas for editors, and the page with the fields. */
export async function generateInputFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const [name, input] of Object.entries(inputs))
    files.set(`${inputSchemaFolder}/${name}.schema.json`, await formatJson(toInputSchema(input)));
  files.set(inputPage, await formatPage(fillInputTables(await readFile(inputPage, 'utf8'))));
  return files;
}

const formatJson = (schema: object) => format(JSON.stringify(schema, null, 2), { ...style, parser: 'json' });
const formatPage = (text: string) => format(text, { ...style, parser: 'markdown' });
