/** Prometheus metrics of the workers, in addition to those of the Temporal SDK. docs/reference/metrics.md lists them. */

/** Trainings that a GPU worker watches. Labels: `run` and `recipe`. */
export const trainingMetrics = {
  everswin_training_attempt: 'Number of the attempt.',
  everswin_training_waiting_for_gpus: '1 while the run waits in the GPU queue of the machine, otherwise 0.',
  everswin_training_gpus: 'Ranks that train.',
  everswin_training_epoch: 'Epoch in progress, from 1.',
  everswin_training_epochs: 'Epochs to train.',
  everswin_training_iteration: 'Iterations done.',
  everswin_training_loss: 'Total loss, averaged over the newest `logEverySteps` steps; absent if not finite.',
  everswin_training_learning_rate: 'Learning rate.',
  everswin_training_box_ap: 'Box AP of the newest validation, 0 to 1.',
  everswin_training_mask_ap: 'Mask AP of the newest validation, 0 to 1.',
  everswin_training_step_seconds: 'Duration of a step.',
  everswin_training_data_wait_seconds: 'Part of a step that waits for data.',
  everswin_training_validation_seconds: 'Duration of the newest validation.',
  everswin_training_images_per_second: 'Images per second, over all GPUs of the run.',
  everswin_training_mfu_ratio: 'Model FLOPs utilization, 0 to 1; absent on a CPU and for an unknown GPU.',
  everswin_training_gpu_memory_peak_bytes: 'Peak GPU memory of the tensors of rank 0.',
  everswin_training_event_timestamp_seconds: 'Time of the newest event of the trainer.',
  everswin_training_expected_end_timestamp_seconds: 'Expected end of the training and its validations.',
  everswin_training_checkpoint_timestamp_seconds: 'Time of the newest checkpoint.',
  everswin_training_checkpoint_interval_seconds: 'Planned time between two checkpoints.',
  everswin_training_unsaved_seconds: 'Training time since the newest checkpoint, which a crash would lose.',
} as const;
export type TrainingMetric = keyof typeof trainingMetrics;

/** GPUs of the machine, while a GPU worker watches a training. Label: `gpu`, the UUID. */
export const gpuMetrics = {
  everswin_gpu_usable: '1 if a job can run on the GPU, otherwise 0.',
  everswin_gpu_temperature_celsius: 'Temperature.',
  everswin_gpu_memory_used_bytes: 'Memory in use by all programs.',
  everswin_gpu_memory_size_bytes: 'Total memory.',
} as const;

/** File system of a worker's home. Label: `home`, its path. */
export const diskMetrics = {
  everswin_disk_free_bytes: 'Free space of the file system that holds `EVERSWIN_HOME`.',
  everswin_disk_size_bytes: 'Size of that file system.',
} as const;

/** Running workflows of the deployment, from the control worker. Labels: `run`, `workflow_type` and `recipe`. */
export const runMetrics = {
  everswin_run_phase: '1 for the phase of the run, which is the label `phase`.',
  everswin_run_goodput_ratio: 'Goodput, 0 to 1; absent before the first attempt ends.',
} as const;
export type RunMetric = keyof typeof runMetrics;

/** Attempts that the workflows record, by the control worker. Label: `outcome`. The SDK adds `_total` and others. */
export const attemptsMetric = {
  name: 'everswin_attempts',
  help: 'Training attempts that ended, as the runs record them, since the control worker started.',
} as const;

/** Connection of the control worker. No labels. */
export const temporalUpMetric = {
  name: 'everswin_temporal_up',
  help: '1 if the Temporal server answers the control worker, otherwise 0.',
} as const;
