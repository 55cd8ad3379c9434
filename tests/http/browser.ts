// A headless Chromium for tests, and a tab that remembers what went wrong in it.
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import axe from "axe-core";
import { chromium, type Page } from "playwright-core";

const BINARY = "/usr/bin/chromium";
/** What a test awaits in the page comes within this, in milliseconds. */
const PAGE_MS = 60_000;

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Registers a test that needs Chromium: ignored by name where it is missing, unless
 * `REQUIRE_CHROMIUM=1` says that it must be there; then the test fails instead.
 */
export function chromiumTest(name: string, fn: (tab: Tab) => Promise<void>): void {
  const ignore = !hasChromium() && Deno.env.get("REQUIRE_CHROMIUM") !== "1";
  Deno.test({
    name: `${name} [chromium]`,
    ignore,
    async fn() {
      await using tab = await Tab.open();
      await fn(tab);
    },
  });
}

function hasChromium(): boolean {
  try {
    return Deno.statSync(BINARY).isFile;
  } catch {
    return false;
  }
}

/** A browser of its own, with one page. */
export class Tab implements AsyncDisposable {
  readonly page: Page;
  /** Errors of scripts, and whatever the browser complains about. */
  readonly complaints: string[] = [];
  readonly #browser: { close(): Promise<void> };

  private constructor(browser: { close(): Promise<void> }, page: Page) {
    this.#browser = browser;
    this.page = page;
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        this.complaints.push(message.text());
      }
    });
  }

  /** Starts the browser, with a profile that is empty and goes with it. */
  static async open(): Promise<Tab> {
    const options = { executablePath: BINARY, headless: true, args: ARGUMENTS, timeout: PAGE_MS };
    const browser = await chromium.launch(options);
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(PAGE_MS);
    return new Tab(browser, page);
  }

  /** Starts the browser with a profile that stays in a folder, as on a screen that is switched on. */
  static async withProfile(folder: string): Promise<Tab> {
    const options = { executablePath: BINARY, headless: true, args: ARGUMENTS, timeout: PAGE_MS };
    const browser = await chromium.launchPersistentContext(folder, options);
    const page = await browser.newPage();
    page.setDefaultTimeout(PAGE_MS);
    return new Tab(browser, page);
  }

  /** What keeps people out of the page as it is now, a line each: rules of WCAG 2.2 and good practice. */
  async violations(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    const found = await this.page.evaluate(() =>
      (globalThis as unknown as { axe: typeof axe }).axe.run()
    );
    return found.violations.map(({ id, nodes }) =>
      `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

/** Counts from now on how many cars each change of the page adds. */
export async function watchAdded({ page }: Tab): Promise<void> {
  await page.addInitScript(() => {
    const added: number[] = [];
    Object.assign(globalThis, { added });
    new MutationObserver((records) => {
      // A view that comes whole is one record, whose rows are within it.
      const rows = records.flatMap(({ addedNodes }) => [...addedNodes]).flatMap((node) =>
        node instanceof Element
          ? [...node.matches("[data-car]") ? [node] : [], ...node.querySelectorAll("[data-car]")]
          : []
      );
      added.push(new Set(rows).size);
    }).observe(document, { subtree: true, childList: true });
  });
}

/** What {@linkcode watchAdded} has counted, a number for each change. */
export async function addedTo({ page }: Tab): Promise<number[]> {
  return await page.evaluate(() => (globalThis as unknown as { added: number[] }).added);
}
