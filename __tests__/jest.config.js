export default {
  rootDir: "..",
  testMatch: ["<rootDir>/__tests__/**/*.test.ts"],
  extensionsToTreatAsEsm: [".ts"],
  transform: { "\\.ts$": "<rootDir>/__tests__/fixtures/strip-types.cjs" },
  // As in dist/ (scripts/build.ts): the action calls neither, and undici is a fifth of a second for each test file.
  moduleNameMapper: { "^(undici|@actions/exec)$": "<rootDir>/dist/not-bundled.js" },
  globalSetup: "<rootDir>/__tests__/fixtures/run-start.ts",
  globalTeardown: "<rootDir>/__tests__/fixtures/run-end.ts",
  collectCoverage: Boolean(process.env.CI),
  collectCoverageFrom: ["src/**/*.ts"],
  coverageProvider: "v8",
  coverageReporters: ["text", "lcovonly"],
  coverageThreshold: { global: { lines: 95, branches: 95 } },
  restoreMocks: true,
  testTimeout: 20_000,
  maxWorkers: 6, // most tests wait for a process or a server of their own; 4 took a tenth longer on two cores
};
