/** Ids of changes to the order of commands, for `patched()`: histories that were recorded before them still replay. */

/** An error of a training activity no longer fails the run, and a trainer is stopped before its run ends. */
export const adoptAfterErrors = 'adopt-after-errors';

/** A cancelled workflow ends as cancelled, also when its activity fails instead of stopping. */
export const cancelledDespiteErrors = 'cancelled-despite-errors';

/** Steps that a trainer saved while no attempt watched it count as progress. */
export const countUnwatchedSteps = 'count-unwatched-steps';

/** A run whose checkpoints are lost before or during the test trains again or asks, instead of failing. */
export const trainAfterLostTest = 'train-after-lost-test';

/** Attempts that met unusable storage do not count towards the limit of another failure. */
export const waitsAreNoFailures = 'waits-are-no-failures';

/** The workflow repeats a failed test, export or report itself: it waits for the storage, and counts crashes. */
export const repeatSteps = 'repeat-steps';

/** The workflow repeats a failed preparation itself, as it repeats the steps after the training. */
export const repeatPreparation = 'repeat-preparation';

/** The workflow waits for an artifact store that does not answer, with a notice and without a limit. */
export const waitForStore = 'wait-for-store';

/** A training that backs off because its artifact store does not answer shows a notice. */
export const waitForStoreInTraining = 'wait-for-store-in-training';

/** The notice about a storage that does not work stays until the next attempt. */
export const noticeDuringBackOff = 'notice-during-back-off';

/** A GPU that failed twice is used again if no other one is free and training makes progress. */
export const trustWorkingGpus = 'trust-working-gpus';

/** A trainer that lost its watch is stopped when its run pauses or is cancelled before the next attempt watches it. */
export const stopUnwatchedTrainer = 'stop-unwatched-trainer';

/** The champion is tested again if the versions of the trainer's test differ, not if a hash of its files does. */
export const compareTestVersions = 'compare-test-versions';

/** A trainer that lost its watch counts as running although a later attempt could not start. */
export const lookPastFailedStarts = 'look-past-failed-starts';

/** A run that failed records why, for its page. */
export const recordFailures = 'record-failures';

/** A run that was cancelled records it, for its page. */
export const recordCancellations = 'record-cancellations';

/** A retraining that fails outside its training sends a notification. */
export const notifyFailedRetraining = 'notify-failed-retraining';
