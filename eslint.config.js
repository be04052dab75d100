import js from '@eslint/js';
import ts from 'typescript-eslint';

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
  {
    files: ['activities/**/*.ts', 'workers/**/*.ts', 'infra/**/*.ts'],
    ignores: ['workers/connect.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          paths: ['client', 'worker'].map((name) => ({
            name: `@temporalio/${name}`,
            importNames: ['Connection', 'NativeConnection'],
            message: 'workers/connect.ts is the one place that connects',
            allowTypeImports: true,
          })),
        },
      ],
    },
  },
  // Plain JavaScript runs before anything is installed; it knows no types.
  { files: ['**/*.mjs', '**/*.js'], ...ts.configs.disableTypeChecked },
  { files: ['**/*.mjs', '**/*.js'], rules: { 'no-undef': 'off' } },
  {
    files: ['configs/**/*.ts', 'workflows/**/*.ts', 'activities/**/*.ts', 'infra/**/*.ts'],
    ignores: ['configs/deployment.ts'], // the names of workflows are constants
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'workers/env.ts is its one reader' },
      ],
    },
  },
);
