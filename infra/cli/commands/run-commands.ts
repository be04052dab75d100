import { Option, type Command } from '@commander-js/extra-typings';
import {
  addressOption,
  deviceOption,
  examples,
  noWaitOption,
  parseCount,
  parseCron,
  parseInterval,
  parseSeed,
  parseTimeZone,
} from './options.ts';

/** Adds the commands that start trainings and tests. */
export function addRunCommands(program: Command): void {
  program.commandsGroup('Train and test:');
  program
    .command('import')
    .summary('turn an exported data set into a run file')
    .description(
      'Recognizes a data set that another program exported: COCO (CVAT, Roboflow, Label Studio, FiftyOne, …), YOLO or Pascal VOC, as a folder or zip file. Shows what it holds, splits it into train and val if needed, and writes a run file. Images stay where they are.',
    )
    .argument('<path>', 'folder, zip file, or JSON file in COCO format')
    .option('--name <name>', 'name of the run (default: from the path)')
    .option('--val <share|path>', 'share of the images for validation, or other data (default: 0.2)')
    .option('--group-by <rule>', 'keep together: folder, prefix, or the match of a regular expression', 'none')
    .option('--seed <number>', 'another seed gives another split', parseSeed, 0)
    .option('--annotations <file>', 'annotations to use, if there are several')
    .option('--images <path>', 'folder or zip file of the images, if it is elsewhere')
    .addOption(
      new Option('--masks <source>', 'use boxes as masks if objects have no outline').choices(['from-boxes'] as const),
    )
    .addOption(new Option('--crowd <treatment>', 'use crowd regions as objects').choices(['as-objects'] as const))
    .option('--skip-bad-images <count>', 'leave out up to this many unusable images', parseCount)
    .option('--out <file>', 'run file to write (default: NAME.json)')
    .option('--copy', 'copy images and annotations next to the run file')
    .option('--force', 'replace files of an earlier import')
    .addOption(deviceOption())
    .addHelpText(
      'after',
      examples(
        'everswin import cvat-export.zip',
        'everswin import dataset/ --name parts --val 0.1 --group-by folder',
        'everswin import train.zip --val valid.zip',
      ),
    )
    .action(async (path, options) => (await import('../import.ts')).importDataset(path, options));
  program
    .command('plan')
    .summary('check a run and this machine; start nothing')
    .description(
      'Dry run: checks the settings of a run and this machine. Downloads and starts nothing. With --show-batch, it also prepares data that are on this machine, and draws the first images of the training as the augmentation makes them.',
    )
    .argument('<file>', 'run input, JSON')
    .option('--show-batch', 'draw the first training images with boxes, masks and names')
    .option('--out <file>', 'new JPEG file for --show-batch (default: NAME-batch.jpg)')
    .addOption(deviceOption())
    .addHelpText(
      'after',
      examples('everswin plan configs/runs/swin-s-blog.json', 'everswin plan configs/runs/demo.json --show-batch'),
    )
    .action(async (file, options) => (await import('../plan.ts')).plan(file, options));
  program
    .command('start')
    .summary('start or join a training, and follow it')
    .description(
      'Starts the run of a file and follows it. A run of the same name and settings is joined if it runs, and resumed from its newest checkpoint if it failed or was cancelled.',
    )
    .argument('<file>', 'run input, JSON')
    .option('--fresh', 'ignore the cached results of earlier runs')
    .option('--force', 'start in spite of errors of the dry run')
    .option('--pinned', 'stay on the current version of the workers')
    .addOption(noWaitOption())
    .addOption(addressOption())
    .addHelpText('after', examples('everswin start configs/runs/demo.json'))
    .action(async (file, options) => (await import('../start.ts')).start(file, options));
  program
    .command('evaluate')
    .summary('test the initial weights of a run, train nothing')
    .description('Tests the detector that a run would start from, and follows the test. Trains nothing.')
    .argument('<file>', 'run input, JSON')
    .option('--fresh', 'ignore the cached results of earlier runs')
    .option('--force', 'start in spite of errors of the dry run')
    .option('--pinned', 'stay on the current version of the workers')
    .addOption(noWaitOption())
    .addOption(addressOption())
    .addHelpText('after', examples('everswin evaluate configs/runs/swin-s-released.json'))
    .action(async (file, options) => (await import('../start.ts')).start(file, options, { evaluate: true }));
  program
    .command('sweep')
    .summary('train and compare several recipes or settings')
    .description('Starts a sweep, or joins the running one, and follows it. Finished runs are reused.')
    .argument('<file>', 'sweep input, JSON')
    .addOption(noWaitOption())
    .addOption(addressOption())
    .addHelpText('after', examples('everswin sweep configs/sweeps/demo.json'))
    .action(async (file, options) => (await import('../sweep.ts')).sweep(file, options));
  program
    .command('retrain')
    .summary('retrain a model if its data or recipe changed')
    .description('Checks whether a model needs retraining, retrains it if so, and promotes the result if it is better.')
    .argument('<file>', 'retraining input, JSON')
    .option('--who <name>', 'who asks (default: your user name)')
    .option('--why <text>', 'reason, recorded with the decision', 'requested with everswin retrain')
    .addOption(noWaitOption())
    .addOption(addressOption())
    .addHelpText(
      'after',
      examples(
        'everswin retrain configs/retrain/demo.json',
        'everswin retrain model.json --why "20 new images" --no-wait',
      ),
    )
    .action(async (file, options) => (await import('../retrain.ts')).retrain(file, options));
  addScheduleCommands(program);
}

function addScheduleCommands(program: Command): void {
  const schedule = program
    .command('schedule')
    .usage('ACTION [options]')
    .helpCommand(false)
    .summary('retrain a model on a schedule')
    .description('Manages the retraining schedule of a model.');
  schedule
    .command('apply')
    .description('create or change the schedule of a model')
    .argument('<file>', 'retraining input, JSON')
    .option('--every <interval>', 'interval, such as 24h or 30m', parseInterval)
    .option('--cron <expression>', 'cron expression of five fields', parseCron)
    .option('--time-zone <zone>', 'time zone of the cron expression, such as Europe/Berlin', parseTimeZone, 'UTC')
    .addOption(addressOption())
    .addHelpText(
      'after',
      `\nWithout --every and --cron, retraining starts only through \`everswin schedule trigger\` or the hook.\n${examples("everswin schedule apply configs/retrain/demo.json --cron '0 3 * * 1'")}`,
    )
    .action(async (file, options) => (await import('../schedule.ts')).apply(file, options));
  const actions = [
    ['show', 'show the next and the most recent retrainings'],
    ['resume', 'resume a paused schedule'],
    ['trigger', 'check the model now'],
    ['remove', 'delete the schedule; the model and its versions stay'],
  ] as const;
  for (const [action, description] of actions)
    schedule
      .command(action)
      .description(description)
      .argument('<model>', 'name of the model')
      .addOption(addressOption())
      .addHelpText('after', examples(`everswin schedule ${action} shapes`))
      .action(async (model, options) => (await import('../schedule.ts')).act(action, model, options));
  schedule
    .command('pause')
    .description('start no more retrainings until it is resumed')
    .argument('<model>', 'name of the model')
    .option('--why <text>', 'reason, shown with the schedule', 'paused with everswin schedule pause')
    .addOption(addressOption())
    .addHelpText('after', examples('everswin schedule pause shapes --why "annotations are being fixed"'))
    .action(async (model, options) => (await import('../schedule.ts')).act('pause', model, options));
}
