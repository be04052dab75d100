import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ignoreMissing } from '../../activities/shared/files/ignore-missing.ts';
import { writeFileAtomic } from '../../activities/shared/files/atomic-file.ts';
import { renderHtml } from '../../activities/report/html.ts';
import { renderMarkdown } from '../../activities/report/markdown.ts';
import { explainReadError } from './explain-read-error.ts';
import { UsageError } from '../terminal/program.ts';
import { Analysis, Report } from '../../configs/schema/index.ts';

interface ReportOptions {
  out: string;
  analysis?: string | undefined;
}

/** Renders a report from its JSON. Needs no server, network or run folder. */
export async function report(file: string, { out, analysis: analysisOption }: ReportOptions): Promise<void> {
  if (!/\.(html|md)$/.test(out)) throw new UsageError(`Expected --out to end in .html or .md, got "${out}".`);
  const content = parse(file, await readText(file), Report);
  const analysisFile = analysisOption ?? `${dirname(file)}/analysis.json`;
  const text = await (analysisOption === undefined
    ? ignoreMissing(readFile(analysisFile, 'utf8'))
    : readText(analysisFile));
  const analysis = text === undefined ? undefined : parse(analysisFile, text, Analysis);
  const page = out.endsWith('.md') ? renderMarkdown(content, analysis) : renderHtml(content, analysis);
  await writeFileAtomic(resolve(out), page);
  console.log(`${out}: ${content.runId}, ${Buffer.byteLength(page).toLocaleString('en-US')} bytes`);
}

function parse<T extends z.ZodType>(file: string, text: string, schema: T): z.infer<T> {
  const { data, error } = schema.safeParse(readJsonText(file, text));
  if (error) throw new Error(`${file} is not a file that everswin wrote:\n${z.prettifyError(error)}`);
  return data;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`Cannot read ${file}: ${await explainReadError(file, error)}`, { cause: error });
  }
}

function readJsonText(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${error instanceof Error ? error.message : ''}`, { cause: error });
  }
}
