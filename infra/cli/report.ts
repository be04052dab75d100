/** `npm run report -- report.json --out FILE`: draws a report again from its JSON. No server, no network, no run is needed. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { ignoreMissing } from '../../activities/shared/files/ignore-missing.ts';
import { writeFileAtomic } from '../../activities/shared/files/atomic-file.ts';
import { renderHtml } from '../../activities/report/html.ts';
import { renderMarkdown } from '../../activities/report/markdown.ts';
import { Analysis, Report } from '../../configs/schema/index.ts';

const usage = `Usage: npm run report -- REPORT.json --out FILE [--analysis ANALYSIS.json]
  FILE ends in .html for the page, in .md for Markdown; analysis.json beside the report is used where it is there.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: 'string' }, analysis: { type: 'string' } },
});
const [path, ...more] = positionals;
const { out } = values;

if (path === undefined || out === undefined || more.length > 0 || !/\.(html|md)$/.test(out)) fail(usage);
else await draw(path, out).catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));

async function draw(from: string, to: string): Promise<void> {
  const report = parse(from, await readFile(from, 'utf8'), Report);
  const beside = values.analysis ?? `${dirname(from)}/analysis.json`;
  const reading = readFile(beside, 'utf8');
  const text = await (values.analysis === undefined ? ignoreMissing(reading) : reading);
  const analysis = text === undefined ? undefined : parse(beside, text, Analysis);
  const page = to.endsWith('.md') ? renderMarkdown(report, analysis) : renderHtml(report, analysis);
  await writeFileAtomic(resolve(to), page);
  console.log(`${to}: ${report.runId}, ${Buffer.byteLength(page).toLocaleString('en-US')} bytes`);
}

function parse<T extends z.ZodType>(file: string, text: string, schema: T): z.infer<T> {
  const { data, error } = schema.safeParse(readJsonText(file, text));
  if (error) throw new Error(`expected ${file} to be what everswin wrote, got:\n${z.prettifyError(error)}`);
  return data;
}

function readJsonText(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`expected ${file} to be JSON: ${error instanceof Error ? error.message : ''}`, { cause: error });
  }
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}
