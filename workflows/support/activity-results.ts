/** Schema of every activity's result. A result enters a workflow through checked-activities.ts, which parses it. */
import { z } from 'zod';
import type { ControlActivities, GpuActivities } from '../../activities/index.ts';
import {
  Attempt,
  CatalogFile,
  Check,
  DetectorRef,
  FetchedDataset,
  FetchedWeights,
  Fingerprint,
  HostResult,
  ModelVersion,
  RegistryState,
  ReportRef,
  RunPlan,
  Sha256,
  SweepResult,
  TestResult,
  VariantNews,
  VersionId,
} from '../../configs/schema/index.ts';

type Activities = ControlActivities & GpuActivities;
type ResultSchemas = { [K in keyof Activities]: z.ZodType<Awaited<ReturnType<Activities[K]>>> };

/** Result of an activity that returns nothing. Any value is discarded. */
const nothing = z.unknown().transform(() => undefined);

export const activityResults: ResultSchemas = {
  resolvePlan: RunPlan,
  checkPlan: z.array(Check),
  fetchDataset: FetchedDataset,
  fetchWeights: FetchedWeights,
  pinPlan: RunPlan,
  writeReport: ReportRef,
  detectChanges: z.object({
    fingerprint: Fingerprint,
    changed: z.string().nullable(),
    last: VersionId.nullable(),
    champion: VersionId.nullable(),
  }),
  evaluateGate: z.object({ passed: z.boolean(), why: z.string(), evidence: Sha256 }),
  readModel: RegistryState,
  readVersion: z.object({ version: ModelVersion, source: CatalogFile }),
  changeModel: RegistryState,
  waitForRun: nothing,
  sendTrigger: nothing,
  joinRun: ReportRef.nullable(),
  watchVariants: z.array(VariantNews),
  stopVariant: z.object({ afterEpoch: z.int().nullable() }),
  writeComparison: SweepResult.omit({ variants: true }),
  notify: nothing,
  recordFailure: nothing,
  recordCancellation: nothing,
  checkMachine: z.array(Check),
  checkSharedStorage: Check,
  runTraining: Attempt,
  joinTraining: HostResult,
  runTest: TestResult,
  exportDetector: DetectorRef,
  mirrorRun: nothing,
  waitForSpace: z.object({ freeBytes: z.number(), neededBytes: z.number() }),
  waitForGpus: z.array(z.string()),
  publishCandidate: VersionId,
  stopJobs: nothing,
};
