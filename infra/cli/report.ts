/** `npm run report -- report.json --out FILE`: renders a report from its JSON. Needs no server, network or run folder. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { ignoreMissing } from '../../activities/shared/files/ignore-missing.ts';
import { writeFileAtomic } from '../../activities/shared/files/atomic-file.ts';
import { renderHtml } from '../../activities/report/html.ts';
import { renderMarkdown } from '../../activities/report/markdown.ts';
import { fail, runProgram } from '../terminal/program.ts';
import { Analysis, Report } from '../../configs/schema/index.ts';

const usage = `Usage: npm run report -- REPORT.json --out FILE [--analysis ANALYSIS.json]
  FILE           .html for a page, .md for Markdown
  ANALYSIS.json  default: analysis.json next to REPORT.json, if it exists`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: 'string' }, analysis: { type: 'string' } },
});
const [path, ...more] = positionals;
const { out } = values;

if (path === undefined || out === undefined || more.length > 0 || !/\.(html|md)$/.test(out)) fail(usage);
else await runProgram(() => render(path, out));

async function render(from: string, to: string): Promise<void> {
  const report = parse(from, await readFile(from, 'utf8'), Report);
  const analysisFile = values.analysis ?? `${dirname(from)}/analysis.json`;
  const reading = readFile(analysisFile, 'utf8');
  const text = await (values.analysis === undefined ? ignoreMissing(reading) : reading);
  const analysis = text === undefined ? undefined : parse(analysisFile, text, Analysis);
  const page = to.endsWith('.md') ? renderMarkdown(report, analysis) : renderHtml(report, analysis);
  await writeFileAtomic(resolve(to), page);
  console.log(`${to}: ${report.runId}, ${Buffer.byteLength(page).toLocaleString('en-US')} bytes`);
}

function parse<T extends z.ZodType>(file: string, text: string, schema: T): z.infer<T> {
  const { data, error } = schema.safeParse(readJsonText(file, text));
  if (error) throw new Error(`${file} is not a file that everswin wrote:\n${z.prettifyError(error)}`);
  return data;
}

function readJsonText(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${error instanceof Error ? error.message : ''}`, { cause: error });
  }
}
