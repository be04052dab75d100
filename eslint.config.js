import js from '@eslint/js';
import ts from 'typescript-eslint';

/** Direction of imports, one row a folder: what it may not import. Data flows configs -> workflows -> activities -> trainer files -> report. */
const forbidden = (files, group, message, { ignores = [], allowTypeImports = false } = {}) => ({
  files,
  ignores,
  rules: {
    '@typescript-eslint/no-restricted-imports': ['error', { patterns: [{ group, message, allowTypeImports }] }],
  },
});

export default ts.config(
  { ignores: ['node_modules', '.everswin', 'coverage'] },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.js', '*.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ObjectExpression > SpreadElement > ObjectExpression.argument',
          message: 'write the properties themselves: a spread object literal switches off the excess-property check',
        },
      ],
    },
  },
  // Plain JavaScript runs before anything is installed; it knows no types.
  { files: ['**/*.mjs', '**/*.js'], ...ts.configs.disableTypeChecked },
  { files: ['**/*.mjs', '**/*.js'], rules: { 'no-undef': 'off' } },
  {
    files: ['configs/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^(?!zod$|\\./)', message: 'configs imports zod only' }] },
      ],
    },
  },
  forbidden(
    ['workflows/**/*.ts'],
    [
      'node:*',
      'execa',
      '@aws-sdk/*',
      '@temporalio/client',
      '@temporalio/worker',
      '@temporalio/activity',
      '**/activities/**',
      '**/workers/**',
      '**/infra/**',
    ],
    'workflows are deterministic: types from activities, values from @temporalio/workflow and configs',
    { allowTypeImports: true },
  ),
  forbidden(
    ['activities/lib/*.ts'],
    ['@temporalio/*', '**/workflows/**', '**/workers/**', '**/infra/**', '../*.ts', '!./*'],
    'activities/lib is plain Node',
  ),
  forbidden(
    ['activities/lib/*/**/*.ts'],
    ['@temporalio/*', '**/workflows/**', '**/workers/**', '**/infra/**', '../../*.ts'],
    'activities/lib is plain Node',
  ),
  forbidden(
    ['activities/*.ts'],
    [
      '@temporalio/client',
      '@temporalio/worker',
      '@temporalio/workflow',
      '**/workflows/**',
      '**/workers/**',
      '**/infra/**',
    ],
    'activities import no workflows, workers or infra',
  ),
  forbidden(
    ['workers/**/*.ts'],
    ['**/workflows/**', '**/infra/**', '**/test/**'],
    'workers name workflows by path only',
    {
      allowTypeImports: true,
    },
  ),
  forbidden(
    ['infra/**/*.ts'],
    ['**/activities/**', '**/workers/**', '**/workflows/**'],
    'infra uses @temporalio/client and configs',
    {
      allowTypeImports: true,
    },
  ),
  {
    files: ['configs/**/*.ts', 'workflows/**/*.ts', 'activities/**/*.ts', 'infra/**/*.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'workers/env.ts is its one reader' },
      ],
    },
  },
);
