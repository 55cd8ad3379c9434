// The certificates on both sides: files that fit together, how long they are valid, and what the
// broker shows. Whether its chain and name are good is judged by connecting as the server does.
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { isLoopback, readTls, type TlsFiles, type TlsMaterial } from "../../net/mod.ts";
import type { ServerConfig } from "../../config/mod.ts";
import { Findings } from "../findings.ts";

/** Certificates that end sooner are a warning, in days. */
const WARN_DAYS = 30;
const DAY_MS = 86_400_000;
/** How long the broker may take to show its certificate, in milliseconds. */
const SHOWN_MS = 5_000;
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What the files' checks brought. */
export interface CertificateCheck {
  readonly findings: Findings;
  /** Undefined without TLS, and when the files cannot be used. */
  readonly material: TlsMaterial | undefined;
  readonly usable: boolean;
}

/** Checks the files of the configuration. */
export async function checkCertificateFiles({ broker }: ServerConfig): Promise<CertificateCheck> {
  const findings = new Findings("certificates");
  const { tls, host } = broker;
  if (tls === undefined) {
    if (isLoopback(host)) findings.skipped(host, "None are used: no TLS, within this machine");
    else {
      findings.warning(
        host,
        "The broker is reached without TLS: statuses, commands and the password can be read on the way",
        "Turn TLS on (--tls, or mqtts://), unless the network is your own",
      );
    }
    return { findings, material: undefined, usable: true };
  }
  let material: TlsMaterial;
  try {
    material = await readTls(tls);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    findings.failed("files", message, "Name PEM files of certificate and key that fit together");
    return { findings, material: undefined, usable: false };
  }
  judgeAuthorities(tls, material, findings);
  if (tls.certFile !== undefined && material.cert !== undefined) {
    const [own, ...chain] = parse(material.cert);
    if (own) judgeValidity(tls.certFile, "Client certificate", own, findings);
    for (const each of chain) judgeValidity(tls.certFile, "Chain", each, findings);
    findings.ok(tls.keyFile ?? "", "The key belongs to the certificate");
    await judgeKeyFile(tls, findings);
  }
  return { findings, material, usable: true };
}

/** Looks at what the broker shows, valid or not. */
export async function checkBrokerCertificate(
  { broker: { host, port } }: ServerConfig,
  material: TlsMaterial,
): Promise<Findings> {
  const findings = new Findings("certificates");
  const subject = `${host}:${port}`;
  let shown: X509Certificate[];
  try {
    shown = await brokerChain(host, port, material);
  } catch {
    findings.skipped(subject, "The broker's certificate was not seen: no TLS connection");
    return findings;
  }
  const [own, ...chain] = shown;
  if (own === undefined) {
    findings.skipped(
      subject,
      `How long the broker's certificate is valid is not known: Deno ${Deno.version.deno} does not show it`,
      "Use a newer Deno for this check",
    );
    return findings;
  }
  judgeValidity(subject, "The broker's certificate", own, findings);
  for (const each of chain) judgeValidity(subject, "The broker's chain", each, findings);
  return findings;
}

/** With several authorities, one that has expired is only a nuisance. */
function judgeAuthorities(tls: TlsFiles, { ca }: TlsMaterial, findings: Findings): void {
  if (tls.caFile === undefined || ca === undefined) {
    findings.ok("authorities", "Those the runtime trusts: no CA file is named");
    return;
  }
  const authorities = parse(ca);
  const valid = authorities.filter((each) => daysLeft(each) > 0);
  for (const each of authorities) {
    if (valid.length === 0 || daysLeft(each) > 0) {
      judgeValidity(tls.caFile, "Authority", each, findings);
    } else {
      findings.warning(tls.caFile, `Authority ${nameOf(each)}: has expired`, "Remove it");
    }
    if (!each.ca) {
      findings.warning(
        tls.caFile,
        `${nameOf(each)} is not the certificate of an authority`,
        "Name the certificate that signed the broker's, unless that one is self-signed",
      );
    }
  }
}

function judgeValidity(
  subject: string,
  what: string,
  certificate: X509Certificate,
  findings: Findings,
): void {
  const days = daysLeft(certificate);
  const until = new Date(certificate.validTo).toISOString().slice(0, 10);
  const name = `${what} ${nameOf(certificate)}`;
  if (new Date(certificate.validFrom).getTime() > Date.now()) {
    const from = new Date(certificate.validFrom).toISOString();
    findings.failed(subject, `${name}: not valid before ${from}`, "Check this machine's clock");
  } else if (days <= 0) {
    findings.failed(subject, `${name}: expired on ${until}`, "Renew it");
  } else if (days < WARN_DAYS) {
    findings.warning(
      subject,
      `${name}: expires in ${Math.floor(days)} days, on ${until}`,
      "Renew it",
    );
  } else {
    findings.ok(subject, `${name}: valid for ${Math.floor(days)} days, until ${until}`);
  }
}

async function judgeKeyFile({ keyFile = "" }: TlsFiles, findings: Findings): Promise<void> {
  const { mode } = await Deno.stat(keyFile);
  if (mode === null || (mode & 0o007) === 0) return;
  findings.warning(
    keyFile,
    `Every user of this machine may use the key: its mode is ${(mode & 0o777).toString(8)}`,
    "Take the rights of others away (chmod o-rwx)",
  );
}

function daysLeft(certificate: X509Certificate): number {
  return (new Date(certificate.validTo).getTime() - Date.now()) / DAY_MS;
}

/** The subject on one line; node writes each part on a line of its own. */
function nameOf({ subject }: X509Certificate): string {
  return `"${(subject ?? "").replaceAll("\n", ", ")}"`;
}

function parse(pem: string): X509Certificate[] {
  return (pem.match(PEM) ?? []).map((each) => new X509Certificate(each));
}

/** The certificates the broker shows, its own first; empty when the runtime keeps them to itself. */
async function brokerChain(
  host: string,
  port: number,
  { cert, key }: TlsMaterial,
): Promise<X509Certificate[]> {
  const secured = Promise.withResolvers<void>();
  const socket: TLSSocket = connect({
    host,
    port,
    // It is to be seen especially when it is not good; nothing is sent over this connection.
    rejectUnauthorized: false,
    ...(isIP(host) ? {} : { servername: host }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  });
  const timer = setTimeout(() => socket.destroy(new Error("timed out")), SHOWN_MS);
  socket.on("error", secured.reject);
  socket.on("close", () => secured.reject(new Error("closed")));
  socket.on("secureConnect", () => secured.resolve());
  try {
    await secured.promise;
    const chain: X509Certificate[] = [];
    const seen = new Set<string>();
    let next: ReturnType<TLSSocket["getPeerCertificate"]> | undefined = socket
      .getPeerCertificate(true);
    while (next?.raw && chain.length < 10) {
      const encoded = Buffer.from(next.raw).toString("base64");
      // An authority has issued its own certificate.
      if (seen.has(encoded)) break;
      seen.add(encoded);
      chain.push(
        new X509Certificate(
          `-----BEGIN CERTIFICATE-----\n${encoded}\n-----END CERTIFICATE-----`,
        ),
      );
      next = "issuerCertificate" in next ? next.issuerCertificate as typeof next : undefined;
    }
    return chain;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
