// Checks the certificates of both sides: whether the files fit together, how long they are valid,
// and what the broker presents. Connecting as the server does judges the broker's chain and name.
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { isLoopback, readTls, type TlsFiles, type TlsMaterial } from "../../net/mod.ts";
import type { ServerConfig } from "../../config/mod.ts";
import { deadline, systemClock, wallTime } from "../../time/mod.ts";
import { Findings } from "../findings.ts";

/** A certificate that expires sooner is a warning, in days. */
const WARN_DAYS = 30;
const DAY_MS = 86_400_000;
/** Deadline for the broker's certificate, in milliseconds. */
const SHOWN_MS = 5_000;
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export interface CertificateCheck {
  readonly findings: Findings;
  /** Undefined without TLS, and when the files are unusable. */
  readonly material: TlsMaterial | undefined;
  readonly usable: boolean;
}

/** Checks the files of the configuration. */
export async function checkCertificateFiles(
  { broker }: Pick<ServerConfig, "broker">,
): Promise<CertificateCheck> {
  const findings = new Findings("certificates");
  const { tls, host } = broker;
  if (tls === undefined) {
    if (isLoopback(host)) {
      findings.skipped(host, "None are used: no TLS, and the broker is on this machine");
    } else {
      findings.warning(
        host,
        "The connection to the broker has no TLS: anyone on the path can read statuses, commands and the password",
        "Turn TLS on (--tls, or mqtts://), unless you trust the network",
      );
    }
    return { findings, material: undefined, usable: true };
  }
  let material: TlsMaterial;
  try {
    material = await readTls(tls);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    findings.failed(
      "files",
      message,
      "Name PEM files of a certificate and of the key that belongs to it",
    );
    return { findings, material: undefined, usable: false };
  }
  judgeAuthorities(tls, material, findings);
  await judgeCertificateFiles(tls, material, "Client certificate", findings);
  return { findings, material, usable: true };
}

/** Judges a certificate, if there is one, and the file of its key; they fit together. */
export async function judgeCertificateFiles(
  { certFile, keyFile = "" }: TlsFiles,
  { cert }: TlsMaterial,
  what: string,
  findings: Findings,
): Promise<void> {
  if (certFile === undefined || cert === undefined) return;
  const [own, ...chain] = parse(cert);
  if (own) judgeValidity(certFile, what, own, findings);
  for (const each of chain) judgeValidity(certFile, "Chain", each, findings);
  findings.ok(keyFile, "The key belongs to the certificate");
  await judgeKeyFile(keyFile, findings);
}

/** Checks the certificate that the broker presents, valid or not. */
export async function checkBrokerCertificate(
  { broker: { host, port } }: Pick<ServerConfig, "broker">,
  material: TlsMaterial,
): Promise<Findings> {
  const findings = new Findings("certificates");
  const subject = `${host}:${port}`;
  let shown: X509Certificate[];
  try {
    shown = await brokerChain(host, port, material);
  } catch {
    findings.skipped(subject, "The broker's certificate was not checked: no TLS connection");
    return findings;
  }
  const [own, ...chain] = shown;
  if (own === undefined) {
    findings.skipped(
      subject,
      `The expiry of the broker's certificate is not known: Deno ${Deno.version.deno} does not show it`,
      "Use a newer Deno for this check",
    );
    return findings;
  }
  judgeValidity(subject, "The broker's certificate", own, findings);
  for (const each of chain) judgeValidity(subject, "The broker's chain", each, findings);
  return findings;
}

/** Among several CAs, an expired one is only a warning. */
function judgeAuthorities(tls: TlsFiles, { ca }: TlsMaterial, findings: Findings): void {
  if (tls.caFile === undefined || ca === undefined) {
    findings.ok("authorities", "The CAs that the runtime trusts: no CA file is configured");
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
        `${nameOf(each)} is not a CA certificate`,
        "Name the certificate that signed the broker's, unless the broker's is self-signed",
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
  if (new Date(certificate.validFrom).getTime() > wallTime()) {
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

async function judgeKeyFile(keyFile: string, findings: Findings): Promise<void> {
  const { mode } = await Deno.stat(keyFile);
  if (mode === null || (mode & 0o007) === 0) return;
  findings.warning(
    keyFile,
    `Every user of this machine can read the key: its mode is ${(mode & 0o777).toString(8)}`,
    "Remove the permissions of others (chmod o-rwx)",
  );
}

function daysLeft(certificate: X509Certificate): number {
  return (new Date(certificate.validTo).getTime() - wallTime()) / DAY_MS;
}

/** The subject on one line; node puts each part on a line of its own. */
function nameOf({ subject }: X509Certificate): string {
  return `"${(subject ?? "").replaceAll("\n", ", ")}"`;
}

function parse(pem: string): X509Certificate[] {
  return (pem.match(PEM) ?? []).map((each) => new X509Certificate(each));
}

/** The certificates that the broker presents, its own first; empty when the runtime hides them. */
async function brokerChain(
  host: string,
  port: number,
  { cert, key }: TlsMaterial,
): Promise<X509Certificate[]> {
  const secured = Promise.withResolvers<void>();
  const socket: TLSSocket = connect({
    host,
    port,
    // Invalid certificates are to be shown, too; nothing is sent over this connection.
    rejectUnauthorized: false,
    ...(isIP(host) ? {} : { servername: host }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  });
  socket.on("error", secured.reject);
  socket.on("close", () => secured.reject(new Error("closed")));
  socket.on("secureConnect", () => secured.resolve());
  try {
    await deadline(secured.promise, SHOWN_MS, systemClock);
    const chain: X509Certificate[] = [];
    const seen = new Set<string>();
    let next: ReturnType<TLSSocket["getPeerCertificate"]> | undefined = socket
      .getPeerCertificate(true);
    while (next?.raw && chain.length < 10) {
      const encoded = Buffer.from(next.raw).toString("base64");
      // A root certificate is its own issuer.
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
    socket.destroy();
  }
}
