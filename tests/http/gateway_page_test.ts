// The page of a Module Gateway in a browser.
import assert from "node:assert/strict";
import { parseGatewayConfig } from "../../src/config/resolve/gateway.ts";
import { GatewayOperators } from "../../src/http/gateway/gateway_operators.ts";
import type { OperatedGateway } from "../../src/http/gateway/methods.ts";
import { GatewayStatistics } from "../../src/module/mod.ts";
import type { ModuleGatewaySnapshot } from "../../src/module_gateway/mod.ts";
import { NO_BYTES } from "../../src/protocol/mod.ts";
import { place } from "../config/support.ts";
import { bytes } from "../internal_server/support.ts";
import { ListLog } from "../support/list_log.ts";
import { chromiumTest } from "./browser.ts";

const KEY = "0123456789abcdef";
const NO_COUNTS = {
  sessions: 1,
  failedSequences: 0,
  statusesSent: 0,
  statusesAnswered: 0,
  statusesFolded: 0,
  commands: 0,
  violations: 0,
};

function device(role: string, status: string) {
  return {
    key: `1000/0/${role}`,
    device: { module: 1000, deviceType: 0, deviceRole: role, deviceName: role, priority: 0 },
    status: bytes(status),
    statusAt: Date.now(),
    command: NO_BYTES,
    commandAt: null,
    waitingCommands: 0,
    waitingJobs: 0,
  };
}

/** What the page shows; a test changes it. */
class FakeGateway implements OperatedGateway {
  readonly config = parseGatewayConfig({
    "internal-server-settings": { port: 0 },
    "module-paths": { "1000": "lib.so" },
    "external-connection": {
      company: "acme",
      "vehicle-name": "car_1",
      endpoints: [{
        "protocol-type": "MQTT",
        "server-ip": "broker.test",
        port: 1883,
        modules: [1000],
      }],
    },
  }, place).config;
  devices = [device("front", '{"pressed":true}')];

  snapshot(): ModuleGatewaySnapshot {
    const { company, car, endpoints: [endpoint] } = this.config;
    return {
      company,
      car,
      devices: this.devices,
      endpoints: [{
        name: endpoint?.name ?? "",
        modules: [1000],
        phase: "connected",
        since: Date.now(),
        sessionId: "abcdefgh",
        devices: this.devices.map(({ key }) => key),
        unanswered: 0,
        waitingReports: 0,
        waitingErrors: 0,
        history: null,
        lastEnd: null,
        counts: NO_COUNTS,
      }],
      internalServer: {
        connections: this.devices.length,
        devices: this.devices.length,
        accepted: this.devices.length,
        heldBytes: 0,
        statuses: 0,
        closed: {},
        slowAnswers: {} as never,
        lateAnswers: 0,
        droppedCommands: 0,
      },
      counts: { statuses: 0, reports: 0, commandsSent: 0, dead: 0, dropped: {}, failedCalls: {} },
    };
  }

  moduleSnapshots() {
    const hosts = [{ pid: 1, state: "ready" as const, openCalls: 0, residentBytes: 0 }];
    const life = { waitingCalls: 0, isSlow: false, lostHosts: 0, lastLoss: null };
    return [{ module: 1000, libPath: "/srv/lib.so", ...life, hosts }];
  }
}

chromiumTest("the page of a gateway asks for the key, then shows devices, live", async (tab) => {
  const { page } = tab;
  const gateway = new FakeGateway();
  const operators = new GatewayOperators({
    config: { address: "127.0.0.1", port: 0, apiKey: KEY },
    log: new ListLog(),
    statistics: new GatewayStatistics(),
  });
  await operators.start({
    gateway,
    reload: () => Promise.reject(new Error("Nobody asked")),
    setLogLevel: () => {},
  });
  try {
    await page.goto(operators.url);
    await page.getByLabel("API key").fill(KEY);
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByText("acme / car_1").waitFor();
    await page.getByText('{"pressed":true}').waitFor();
    await page.getByText("1 mqtt://broker.test:1883").waitFor();
    await page.getByText("/srv/lib.so").waitFor();
    assert.deepEqual(await tab.violations(), []);
    gateway.devices = [device("front", '{"pressed":false}'), device("rear", "hello")];
    await page.getByText('{"pressed":false}').waitFor();
    await page.getByText("1000/0/rear").waitFor();
    gateway.devices = [];
    await page.getByText("No device is connected.").waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("API key").waitFor();
    // The browser reports the answers without a key.
    assert.deepEqual(tab.complaints.filter((one) => !/401/.test(one)), []);
  } finally {
    await operators.stop();
  }
});
