export default {
  testMatch: ["<rootDir>/__tests__/**/*.test.ts"],
  extensionsToTreatAsEsm: [".ts"],
  transform: { "\\.ts$": "<rootDir>/__tests__/fixtures/strip-types.cjs" },
  collectCoverage: Boolean(process.env.CI),
  collectCoverageFrom: ["src/**/*.ts"],
  coverageProvider: "v8",
  coverageReporters: ["text", "lcovonly"],
  coverageThreshold: { global: { lines: 95, branches: 95 } },
  restoreMocks: true,
  testTimeout: 20_000,
  maxWorkers: 4, // most tests wait for a process or a server of their own
};
