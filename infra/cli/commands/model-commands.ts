import { type Command, Option } from '@commander-js/extra-typings';
import {
  addressOption,
  deviceOption,
  examples,
  parseInputSize,
  parseCount,
  parseNonNegative,
  parseScore,
  parseSteps,
} from './options.ts';

const storeOption = ['--store <store>', '`local` or s3://BUCKET/PREFIX', 'local'] as const;

/** Adds the commands that inspect and change results. */
export function addModelCommands(program: Command): void {
  program.commandsGroup('Results and models:');
  program
    .command('predict')
    .summary('find objects in images with a trained detector')
    .description(
      'Finds objects in images with the detector of a run, of a model, or in a folder. Writes results.json (COCO results), images.json, pictures with names and scores, and index.html. Needs no server. Skipped images cause exit code 1.',
    )
    .argument('<source>', 'finished run, model of the registry, or a detector/ folder')
    .argument('<image...>', 'image files, folders, patterns in quotes, zip archives')
    .option('--out <folder>', 'new folder (default: predictions-SOURCE)')
    .option('--score <score>', 'lowest score of a detection, 0 to 1', parseScore, 0.3)
    .addOption(deviceOption())
    .option(...storeOption)
    .addHelpText(
      'after',
      examples(
        'everswin predict swin-s-blog photos/',
        "everswin predict detector/ 'photos/*.jpg' --score 0.5 --out found",
      ),
    )
    .action(async (source, images, options) => (await import('../predict.ts')).predict(source, images, options));
  program
    .command('verify')
    .summary('train an epoch of a run again, and compare')
    .description(
      'Trains an epoch of a run again from the checkpoint before it, in a folder of its own, and compares losses and hashes. Waits for GPUs behind all trainings. Exits with 1 and names the first step that differs. Needs no server.',
    )
    .argument('<run>', 'name of a run that trained on this machine')
    .requiredOption('--epoch <epoch>', 'epoch to train again', parseCount)
    .option('--steps <a..b>', 'only these steps of the epoch, as `everswin status` counts them', parseSteps)
    .option(
      '--tolerance <share>',
      'largest relative difference of losses (default: 0, with GPUs 0.05)',
      parseNonNegative,
    )
    .option('--from-earlier', 'train up to several epochs more if the checkpoint before the epoch was deleted')
    .option('--json', 'print JSON for programs')
    .addOption(deviceOption())
    .addHelpText(
      'after',
      examples('everswin verify swin-s-blog --epoch 12', 'everswin verify demo --epoch 2 --steps 47..60 --json'),
    )
    .action(async (run, options) => (await import('../verify.ts')).verify(run, options));
  program
    .command('export')
    .summary('convert a trained detector to ONNX')
    .description(
      'Converts the detector of a run, of a model, or in a folder to one ONNX file, and compares it with MMDetection in onnxruntime. A difference above 0.001 is an error and leaves no file. The file accepts one picture of one size, described in its metadata. Needs no server.',
    )
    .argument('<source>', 'finished run, model of the registry, or a detector/ folder')
    .addOption(new Option('--format <format>', 'format of the file').choices(['onnx'] as const).makeOptionMandatory())
    .option('--out <file>', 'new file (default: SOURCE.onnx)')
    .option(
      '--size <WIDTHxHEIGHT>',
      'input size in pixels (default: the size of the test pipeline, in multiples of 32: 1344x800 for 1333x800)',
      parseInputSize,
    )
    .option('--images <path>', 'images for the comparison (default: ten validation images, otherwise random pictures)')
    .option(...storeOption)
    .addHelpText(
      'after',
      examples(
        'everswin export swin-s-blog --format onnx',
        'everswin export detector/ --format onnx --size 800x1344 --out portrait.onnx',
      ),
    )
    .action(async (source, options) => (await import('../export.ts')).exportDetector(source, options));
  program
    .command('compare')
    .summary('compare plans, scores and curves of finished runs')
    .description('Compares the plans, scores and curves of 2 to 5 finished runs, and writes a page.')
    .argument('<run...>', 'names of finished runs, or folders with their report.json')
    .option('--out <folder>', 'default: comparisons/ of the data folder')
    .addHelpText('after', examples('everswin compare swin-s-blog swin-s-paper'))
    .action(async (runs, options) => (await import('../compare.ts')).compare(runs, options));
  program
    .command('report')
    .summary('render a report from its JSON')
    .description('Renders a report from its JSON. Needs no server, network or run folder.')
    .argument('<report>', 'report.json of a run')
    .requiredOption('--out <file>', '.html for a page, .md for Markdown')
    .option('--analysis <file>', 'default: analysis.json next to the report, if it exists')
    .addHelpText('after', examples('everswin report report.json --out page.html'))
    .action(async (report, options) => (await import('../report.ts')).report(report, options));
  addRegistryCommands(program);
  addObjectCommands(program);
}

function addRegistryCommands(program: Command): void {
  const models = program
    .command('models')
    .usage('ACTION [options]')
    .helpCommand(false)
    .summary('list, compare, promote, approve and export models')
    .description('Inspects and changes the model registry.');
  models
    .command('list')
    .description('list the models, or the versions of one model')
    .argument('[model]', 'name of the model')
    .option(...storeOption)
    .addHelpText('after', examples('everswin models list', 'everswin models list shapes'))
    .action(async (model, options) => (await import('../models.ts')).list(model, options));
  models
    .command('show')
    .description("show a version and the model's history")
    .argument('<model>', 'name of the model')
    .argument('[version]', 'default: the champion')
    .option(...storeOption)
    .addHelpText('after', examples('everswin models show shapes'))
    .action(async (model, version, options) => (await import('../models.ts')).show(model, version, options));
  models
    .command('diff')
    .description('compare the plans and scores of two versions')
    .argument('<model>', 'name of the model')
    .argument('<first>', 'version')
    .argument('<second>', 'version')
    .option(...storeOption)
    .addHelpText('after', examples('everswin models diff shapes 20261122-181500-a1b2c3d4 20261123-090000-e5f6a7b8'))
    .action(async (...[model, first, second, options]) =>
      (await import('../models.ts')).diff(model, [first, second], options),
    );
  models
    .command('promote')
    .description('make a version the champion')
    .argument('<model>', 'name of the model')
    .argument('<version>', 'version to promote')
    .requiredOption('--why <text>', 'reason, recorded in the history of the model')
    .option('--who <name>', 'who decides (default: your user name)')
    .option(...storeOption)
    .addHelpText(
      'after',
      examples('everswin models promote shapes 20261122-181500-a1b2c3d4 --why "better on night images"'),
    )
    .action(async (model, version, options) => (await import('../models.ts')).promote(model, version, options));
  for (const [action, description] of [
    ['approve', 'promote the candidate that waits for approval'],
    ['reject', 'keep the champion instead of the candidate that waits for approval'],
  ] as const)
    models
      .command(action)
      .description(description)
      .argument('<model>', 'name of the model')
      .requiredOption('--why <text>', 'reason, recorded in the history of the model')
      .option('--who <name>', 'who decides (default: your user name)')
      .addOption(addressOption())
      .addHelpText('after', examples(`everswin models ${action} shapes --why "checked 20 images"`))
      .action(async (model, options) => (await import('../approval.ts')).decide(action, model, options));
  models
    .command('rollback')
    .description('restore the previous champion')
    .argument('<model>', 'name of the model')
    .requiredOption('--why <text>', 'reason, recorded in the history of the model')
    .option('--who <name>', 'who decides (default: your user name)')
    .option(...storeOption)
    .addHelpText('after', examples('everswin models rollback shapes --why "misses small parts"'))
    .action(async (model, options) => (await import('../models.ts')).rollback(model, options));
  models
    .command('export')
    .description('write the detector: config, weights, model card and checksums')
    .argument('<model>', 'name of the model')
    .argument('[version]', 'default: the champion')
    .requiredOption('--out <folder>', 'new folder for the files')
    .option(...storeOption)
    .addHelpText('after', examples('everswin models export shapes --out shapes-champion'))
    .action(async (model, version, options) => (await import('../models.ts')).exportModel(model, version, options));
}

function addObjectCommands(program: Command): void {
  const store = program
    .command('store')
    .usage('ACTION [options]')
    .helpCommand(false)
    .summary('list, verify and prune downloaded files')
    .description('Inspects the object store of this machine.');
  store
    .command('list')
    .description('list all objects with size, name, origin and the runs that use them')
    .addHelpText('after', examples('everswin store list'))
    .action(async () => (await import('../store.ts')).list());
  store
    .command('verify')
    .description('recompute the hash of every object')
    .addHelpText('after', examples('everswin store verify'))
    .action(async () => (await import('../store.ts')).verify());
  store
    .command('prune')
    .description('remove objects that no run references')
    .option('--older-than-hours <hours>', 'keep objects that were used more recently', parseNonNegative, 24)
    .option('--dry-run', 'only list what would be removed')
    .addHelpText('after', examples('everswin store prune --older-than-hours 48 --dry-run'))
    .action(async (options) => (await import('../store.ts')).prune(options));
  store
    .command('run')
    .description('verify a finished run against its manifest')
    .argument('<run>', 'name of the run')
    .addHelpText('after', examples('everswin store run swin-s-blog'))
    .action(async (run) => (await import('../store.ts')).verifyRun(run));
}
