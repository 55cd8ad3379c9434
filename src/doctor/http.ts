// Checks whether the server could listen for HTTP, and its TLS files.
import type { HttpConfig, ServerConfig } from "../config/mod.ts";
import { getOnce, hostPort, HttpListenError, reachableHost, readTls } from "../net/mod.ts";
import { judgeCertificateFiles } from "./broker/certificates.ts";
import { Findings } from "./findings.ts";

/** Listens for a moment, exactly as the server does. */
export async function checkHttp({ http }: Pick<ServerConfig, "http">): Promise<Findings> {
  const findings = new Findings("http");
  if (http === undefined) {
    findings.skipped("http", 'HTTP is off: there is no section "http"');
    return findings;
  }
  findings.ok("keys", describeKeys(http));
  if (!await checkTls(http, findings)) return findings;
  // Whoever only needs the limits of this machine does not load it.
  const { listenHttp } = await import("../http/mod.ts");
  try {
    const listening = await listenHttp(http, () => new Response(null, { status: 503 }));
    findings.ok(listening.url, "The server can listen here");
    await listening.stop();
  } catch (error) {
    if (!(error instanceof HttpListenError)) throw error;
    const address = hostPort(http.address, http.port);
    if (error.cause instanceof Deno.errors.AddrInUse && await isServed(http)) {
      findings.skipped(address, "Not tried: a server answers here already");
    } else {
      const [reason = "", advice] = error.reason.split("; ");
      findings.failed(address, `Cannot listen for HTTP: ${reason}`, advice ?? "Correct it");
    }
  }
  return findings;
}

/** Who may ask; what is wrong with a key is a finding of the configuration. */
function describeKeys({ apiKey, keys = [] }: HttpConfig): string {
  const known = [
    ...(apiKey === undefined ? [] : ["api_key (admin)"]),
    ...keys.map(({ name, scope }) => `${name} (${scope})`),
  ];
  if (known.length === 0) return "None is asked for: only this machine can reach the port";
  return `Asked for: ${known.join(", ")}`;
}

/** Whether the files are usable, or there are none. */
async function checkTls({ tls }: HttpConfig, findings: Findings): Promise<boolean> {
  if (tls === undefined) return true;
  try {
    await judgeCertificateFiles(tls, await readTls(tls), "Certificate", findings);
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    findings.failed("TLS files", message, "Name PEM files of a certificate and of its key");
    return false;
  }
}

/** Whether what listens answers as this program does. */
async function isServed({ address, port, tls }: HttpConfig): Promise<boolean> {
  const scheme = tls === undefined ? "http" : "https";
  const url = `${scheme}://${hostPort(reachableHost(address), port)}/healthz`;
  try {
    const { status, text } = await getOnce({ url, anyCertificate: true });
    return status === 200 && /"status":\s*"ok"/.test(text);
  } catch {
    return false;
  }
}
