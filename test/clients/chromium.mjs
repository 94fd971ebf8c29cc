// Headless Chromium, as all tests start it.

import { chromium } from "playwright-core";

const START_MS = 120_000;

export const startChromium = (...args) =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Root may not use Chromium's sandbox; the pages are our own.
    args: ["--disable-gpu", "--disable-dev-shm-usage", ...(process.getuid() === 0 ? ["--no-sandbox"] : []), ...args],
    timeout: START_MS,
  });
