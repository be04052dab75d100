import { fileURLToPath } from 'node:url';
import { renderApLines } from '../configs/coco-table.ts';
import type { ReportRef } from '../configs/schema.ts';

/** The AP table as COCO's own tool prints it, the verdict, and where to look further. */
export function printResult(report: ReportRef, uiUrl: string | undefined, workflowId: string): void {
  const { uri, verdict, bbox, segm, crashes, stepsRepeated } = report;
  console.log(`\n${renderApLines({ bbox, segm })}\n\n${verdict}\n`);
  if (crashes > 0) console.log(`Crashes      ${crashes} survived, ${stepsRepeated} steps repeated`);
  console.log(`Report       ${uri.startsWith('file:') ? fileURLToPath(uri) : uri}`);
  if (uiUrl !== undefined)
    console.log(`Temporal UI  ${uiUrl}/namespaces/default/workflows/${encodeURIComponent(workflowId)}`);
}
