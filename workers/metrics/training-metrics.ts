import type { Registry } from 'prom-client';
import type { ObservedTraining } from '../../activities/train/dependencies.ts';
import { gpuMetrics, trainingMetrics, type TrainingMetric } from '../../configs/prometheus-metrics.ts';
import type { Attempt } from '../../configs/schema/index.ts';
import { trainingGpus } from '../../configs/schema/plan-hosts.ts';
import { addGauges, type Collect } from './gauges.ts';

const bytesPerMebibyte = 2 ** 20;

/** Metrics of the trainings that this worker watches, and of the GPUs. */
export class TrainingMetrics {
  readonly #trainings = new Set<ObservedTraining>();

  /** Measures a training while its attempt runs. */
  readonly observe = async (training: ObservedTraining, work: () => Promise<Attempt>): Promise<Attempt> => {
    this.#trainings.add(training);
    try {
      return await work();
    } finally {
      this.#trainings.delete(training);
    }
  };

  addTo(registry: Registry): Collect[] {
    const trainings = () => [...this.#trainings];
    return [
      addGauges(registry, trainingMetrics, ['run', 'recipe'], () => Promise.resolve(trainings().map(measureTraining))),
      addGauges(registry, gpuMetrics, ['gpu'], () => Promise.resolve(measureGpus(trainings()))),
    ];
  }
}

function measureTraining({ request, progress }: ObservedTraining) {
  const { plan, control, attempt } = request;
  const { everyMinutes } = plan.checkpoint;
  const { epoch, epochs, iteration, loss, lr, bboxAP, segmAP, etaSeconds } = progress.state.progress;
  const { step, validation, checkpoint } = progress.newest;
  const validations = Math.max(0, epochs - (validation?.epoch ?? 0));
  const validationSeconds = validations * (validation?.seconds ?? 0);
  const values: Record<TrainingMetric, number | null | undefined> = {
    everswin_training_attempt: attempt,
    everswin_training_waiting_for_gpus: Number(progress.isWaitingForGpus),
    everswin_training_gpus: trainingGpus(plan, control),
    everswin_training_epoch: epoch,
    everswin_training_epochs: epochs,
    everswin_training_iteration: iteration,
    everswin_training_loss: loss,
    everswin_training_learning_rate: lr,
    everswin_training_box_ap: bboxAP,
    everswin_training_mask_ap: segmAP,
    everswin_training_step_seconds: step?.stepSeconds,
    everswin_training_data_wait_seconds: step?.dataSeconds,
    everswin_training_validation_seconds: validation?.seconds,
    everswin_training_images_per_second: step?.imagesPerSecond,
    everswin_training_mfu_ratio: step?.mfu,
    everswin_training_gpu_memory_peak_bytes: step?.memoryMb == null ? null : step.memoryMb * bytesPerMebibyte,
    everswin_training_event_timestamp_seconds: progress.lastEventAt,
    everswin_training_expected_end_timestamp_seconds:
      step === undefined || etaSeconds === null ? null : step.t + etaSeconds + validationSeconds,
    everswin_training_checkpoint_timestamp_seconds: checkpoint?.t,
    everswin_training_checkpoint_interval_seconds:
      everyMinutes === 'auto' ? checkpoint?.intervalSeconds : everyMinutes * 60,
    everswin_training_unsaved_seconds: progress.unsavedSeconds,
  };
  return { labels: { run: plan.runId, recipe: plan.recipe.name }, values };
}

/** Measures the GPUs by the newest reading of any training. */
function measureGpus(trainings: ObservedTraining[]) {
  const readings = trainings.flatMap(({ gpuWatch }) => gpuWatch.latest ?? []);
  const newest = readings.toSorted((a, b) => b.at - a.at)[0];
  return (newest?.gpus ?? []).map(({ uuid, verdict, facts }) => ({
    labels: { gpu: uuid },
    values: {
      everswin_gpu_usable: Number(verdict !== 'unusable'),
      everswin_gpu_temperature_celsius: facts.temperature,
      everswin_gpu_memory_used_bytes: facts.memory?.usedBytes,
      everswin_gpu_memory_size_bytes: facts.memory?.totalBytes,
    },
  }));
}
