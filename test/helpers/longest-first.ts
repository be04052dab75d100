import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take more than about 20 s, longest first. */
const slowFiles = [
  'test/chaos/chaos.test.ts',
  'test/workflows/train/recovery.test.ts',
  'test/integration/real-line.test.ts',
  'test/infra/cli/gpu-check.test.ts',
  'test/infra/cli/gpu-check-bundle.test.ts',
  'test/activities/train/run-training.test.ts',
  'test/workflows/train/partition.test.ts',
  'test/workflows/train/host-loss.test.ts',
  'test/workflows/sweep/compare-recipes.test.ts',
  'test/chaos/retrain-kills.test.ts',
  'test/workflows/train/two-hosts.test.ts',
  'test/workflows/retrain/retrain-detector.test.ts',
  'test/workflows/train/gpu-queue.test.ts',
  'test/integration/own-data.test.ts',
  'test/integration/second-run.test.ts',
  'test/activities/shared/store/s3-faults.test.ts',
];

/** Starts the slow files first, so that no long file runs alone at the end. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const index = slowFiles.findIndex((file) => moduleId.endsWith(file));
      return index === -1 ? slowFiles.length : index;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}
